"""How passage stores are searched: by MaxSim, exactly or by PLAID, or by an inverted index of term weights."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import RankerParams
from distilrank.retrieval.index_kind import IndexKind

if TYPE_CHECKING:
    import polars as pl

    from distilrank.rankers.base import Ranker
    from distilrank.retrieval.encodings import Encodings
    from distilrank.retrieval.passage_store import PassageStore

# What finds the passages (query_id, passage_id, score) for queries by their ids, to a depth.
Search = Callable[["pl.Series", "Encodings", int], "pl.DataFrame"]


class OfStore(IndexKind):
    """What searches a passage store, or the store itself."""

    # What `build` takes per entry of the store, on disk and in memory.
    index_bytes: ClassVar[int] = 0

    @abstractmethod
    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        """Writes what searches a store, if that is more than the store itself. A killed build can go on."""

    def bytes_built(self, store: "PassageStore") -> tuple[int, int]:
        """The bytes that `build` takes at most, on disk and in memory."""
        both = self.index_bytes * store.entries
        return both, both

    def read_from(self, store: "PassageStore", directory: Path) -> "PassageStore":
        """The store that re-ranking and search read: the one that it was built of, or a copy in its directory."""
        return store

    @abstractmethod
    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search | None:
        """The built search of the store that is read. None where nothing searches."""


class VectorPerToken(OfStore):
    """The store itself: what a ranker computes of each token of a passage. Re-ranking reads it."""

    is_exact: ClassVar[bool] = True

    numbers: Literal["float32", "float16", "int8"] = "float16"
    """The numbers of the stored vectors. int8 has a scale per vector."""

    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        return None


class Store(VectorPerToken):
    """Stores what a ranker computes of each token of a passage. Re-ranking reads it. Nothing is searched."""

    searches: ClassVar[bool] = False
    holds: ClassVar[str] = "a vector per token"

    kind: Literal["store"] = "store"

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.vector_per_token

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search | None:
        return None


class MaxSim(VectorPerToken):
    """Like store, and every query is compared with every passage by MaxSim: exact, where time allows."""

    holds: ClassVar[str] = "vectors that MaxSim compares"

    kind: Literal["maxsim"] = "maxsim"

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.takes_maxsim

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search:
        from distilrank.retrieval.maxsim import search_all

        return lambda query_ids, queries, depth: search_all(ranker, query_ids, queries, store, depth)


class Int8(OfStore):
    """Keeps a copy of the vectors in int8. Its audit tells what `numbers: int8` loses: in search if its student
    searches, and otherwise in re-ranking."""

    needs_search: ClassVar[bool] = False
    holds: ClassVar[str] = Store.holds

    kind: Literal["int8"] = "int8"

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.vector_per_token

    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        from distilrank.retrieval.passage_store import write_int8

        write_int8(store, directory, whose)

    def bytes_built(self, store: "PassageStore") -> tuple[int, int]:
        # A byte per number, two per scale, and four per length.
        return store.entries * (store.width + 2) + 4 * len(store), 0

    def read_from(self, store: "PassageStore", directory: Path) -> "PassageStore":
        from distilrank.retrieval.passage_store import PassageStore

        return PassageStore.open(directory)

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search | None:
        return MaxSim().search(store, directory, ranker) if ranker.params.takes_maxsim else None


class Plaid(OfStore):
    """PLAID (Santhanam et al., CIKM 2022): centroids choose passages, which MaxSim of exact vectors scores."""

    holds: ClassVar[str] = MaxSim.holds

    kind: Literal["plaid"] = "plaid"

    centroids: int | None = Field(ge=1, default=None)
    """How many centroids. null: 16 times the square root of the number of vectors, as a power of two."""

    probes: int = Field(ge=1, default=4)
    """How many centroids are looked at for each query vector. More find more, and take longer."""

    compared: int = Field(ge=1, default=256)
    """How many passages are compared by their exact vectors: the best by their centroids, at least `depth`."""

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.takes_maxsim

    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        from distilrank.retrieval.plaid import PlaidIndex

        PlaidIndex.build(store, directory, whose, self.centroids)

    def bytes_built(self, store: "PassageStore") -> tuple[int, int]:
        from distilrank.retrieval.plaid import bytes_built

        return bytes_built(store, self.centroids)

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search:
        from distilrank.retrieval.plaid import PlaidIndex

        index = PlaidIndex.open(directory, store)
        return partial(index.search, ranker, probes=self.probes, compared=self.compared)


class Inverted(OfStore):
    """An inverted index of the weights of all terms: exact search by learned sparse vectors."""

    is_exact: ClassVar[bool] = True
    holds: ClassVar[str] = "a sparse vector of term weights"
    index_bytes: ClassVar[int] = 8  # a passage's row and a weight, of four bytes each

    kind: Literal["inverted"] = "inverted"

    numbers: Literal["float32", "float16"] = "float16"
    """The numbers of the stored weights."""

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.weighs_terms

    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        from distilrank.retrieval.inverted import InvertedIndex

        InvertedIndex.build(store).write(directory)

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search:
        from distilrank.retrieval.inverted import InvertedIndex

        return InvertedIndex.open(directory, store).search


class Pruned(OfStore):
    """An inverted index of each passage's highest weights. It chooses passages; all weights score them."""

    holds: ClassVar[str] = Inverted.holds

    kind: Literal["pruned"] = "pruned"

    terms: int = Field(ge=1, default=64)
    """How many terms of a passage are kept: those with the highest weights. Fewer take less space and time."""

    rescored: int = Field(ge=1, default=2)
    """For k passages, it chooses k times this many. All weights keep the best k."""

    @classmethod
    def can_hold(cls, ranker: RankerParams) -> bool:
        return ranker.weighs_terms

    def build(self, store: "PassageStore", directory: Path, whose: str) -> None:
        from distilrank.retrieval.inverted import InvertedIndex

        InvertedIndex.build(store, self.terms).write(directory)

    def bytes_built(self, store: "PassageStore") -> tuple[int, int]:
        # Besides the entries, eight bytes tell where a term's begin.
        both = Inverted.index_bytes * store.entries_up_to(self.terms) + 8 * (store.form.vocabulary or 0)
        return both, both

    def search(self, store: "PassageStore", directory: Path, ranker: "Ranker") -> Search:
        from distilrank.retrieval.inverted import InvertedIndex

        return partial(InvertedIndex.open(directory, store).search, rescored=self.rescored)
