"""How passage vectors are searched. Another package adds a kind as an entry point of the group `distilrank.indexes`.

Each kind for dense vectors, except the exact one, is a description for Faiss's index factory, with Faiss's names for
the settings: https://github.com/facebookresearch/faiss/wiki/The-index-factory.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.retrieval.index_kind import IndexKind
from distilrank.retrieval.store_kinds import Int8, Inverted, MaxSim, Plaid, Pruned, Store
from distilrank.sections.tables import Table


class Flat(IndexKind):
    """Exact: every vector is compared."""

    is_exact: ClassVar[bool] = True

    kind: Literal["flat"] = "flat"


class Approximate(IndexKind):
    """A Faiss index, which chooses passages. Their scores are exact products of the stored vectors."""

    sample: int = Field(ge=1, default=100_000)
    """How many vectors are drawn to train it, if its kind needs training."""

    rescored: int = Field(ge=1, default=1)
    """For k passages, it chooses k times this many. Exact products keep the best k."""

    @abstractmethod
    def factory_string(self, width: int) -> str:
        """What Faiss's index factory makes of vectors of this width."""

    def settings(self) -> Mapping[str, float]:
        """The settings of building and searching, by Faiss's names: efSearch, nprobe."""
        return {}


class Fp16(Approximate):
    """Every vector is compared, as float16: half the memory."""

    kind: Literal["fp16"] = "fp16"

    def factory_string(self, width: int) -> str:
        return "SQfp16"


class Sq8(Approximate):
    """Every vector is compared, with one byte per number: a quarter of the memory."""

    kind: Literal["sq8"] = "sq8"

    def factory_string(self, width: int) -> str:
        return "SQ8"


class Probing(Approximate):
    """Lists of vectors that are near each other."""

    lists: int = Field(ge=1, default=1024)
    """How many there are: about four to sixteen times the square root of the number of passages."""

    probes: int = Field(ge=1, default=32)
    """How many lists are searched for a query. More find more, and take longer."""

    def settings(self) -> Mapping[str, float]:
        return {"nprobe": self.probes}


class Ivf(Probing):
    """The vectors of the lists that are nearest to the query are compared, as float16."""

    kind: Literal["ivf"] = "ivf"

    def factory_string(self, width: int) -> str:
        return f"IVF{self.lists},SQfp16"


class Hnsw(Approximate):
    """A graph of neighbours (Malkov and Yashunin, arXiv 1603.09320), over vectors as float16."""

    kind: Literal["hnsw"] = "hnsw"

    links: int = Field(ge=2, default=32)
    """How many links each vector has. More find more, and take more time and memory."""

    build_width: int = Field(ge=1, default=200)
    """How many neighbours are looked at for each vector that is added. More find more, and take longer to build."""

    search_width: int = Field(ge=1, default=128)
    """How many neighbours are looked at for a query. More find more, and take longer."""

    def factory_string(self, width: int) -> str:
        return f"HNSW{self.links},SQfp16"

    def settings(self) -> Mapping[str, float]:
        return {"efConstruction": self.build_width, "efSearch": self.search_width}


CodeBytes = Annotated[int, Field(ge=1)]
# `np` spares polysemous training, for a search that is not used here: 33 s where all else takes 0.3 s (1,500 vectors).


class IvfPq(Probing):
    """Like ivf, by codes of a few bytes (product quantization, Jégou et al., TPAMI 2011): the least memory."""

    kind: Literal["ivf-pq"] = "ivf-pq"

    rescored: int = Field(ge=1, default=4)
    """For k passages, it chooses k times this many. Exact products keep the best k."""

    bytes: CodeBytes = 48
    """The bytes of each vector's code. The vectors' width must be a multiple of it."""

    def factory_string(self, width: int) -> str:
        return f"IVF{self.lists},PQ{self.bytes}x8np"


class OpqPq(Approximate):
    """Every vector is compared by a code of a few bytes, after a rotation that is learned (Ge et al., CVPR 2013)."""

    kind: Literal["opq-pq"] = "opq-pq"

    rescored: int = Field(ge=1, default=4)
    """For k passages, it chooses k times this many. Exact products keep the best k."""

    bytes: CodeBytes = 48
    """The bytes of each vector's code. The vectors' width must be a multiple of it."""

    def factory_string(self, width: int) -> str:
        return f"OPQ{self.bytes},PQ{self.bytes}x8np"


class Factory(Approximate):
    """Whatever Faiss's index factory makes."""

    kind: Literal["factory"] = "factory"

    factory: str = Field(min_length=1)
    """The description of the index, such as `OPQ48_192,IVF4096,PQ48x4fs,RFlat`."""

    set: dict[str, float] = Field(default={})
    """Settings by Faiss's names, such as {nprobe: 32}."""

    def factory_string(self, width: int) -> str:
        return self.factory

    def settings(self) -> Mapping[str, float]:
        return self.set


KINDS = (Flat, Fp16, Sq8, Ivf, Hnsw, IvfPq, OpqPq, Factory, Store, MaxSim, Int8, Plaid, Inverted, Pruned)
INDEX_KINDS: Table[type[IndexKind]] = Table(
    "distilrank.indexes", {one.model_fields["kind"].default: one for one in KINDS}
)
