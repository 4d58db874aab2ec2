"""Any system of the project in the working directory, by its name: a query in, hits out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import MANIFEST, read_manifest
from distilrank.data.collection import Collection
from distilrank.data.runs import Hit, hits
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.matching import Matched, matched
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import BM25 as LEXICAL
from distilrank.sections.data import Candidates

# Read when it is first needed: BM25 answers before torch is imported and params.yaml is read.
if TYPE_CHECKING:
    from distilrank.config.params import Params
    from distilrank.model import Model

# Characters of a query. No ranker reads as many.
LONGEST_QUERY = 2_000


class Searcher(ABC):
    """Answers a query."""

    @abstractmethod
    def search(self, query: str, depth: int) -> list[Hit]:
        """The best `depth` passages, best first, or fewer where it finds fewer."""

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        """What matched in passages that it found; one that cannot tell gives nothing of each."""
        return [Matched() for _ in passages]


@dataclass(frozen=True)
class Lexical(Searcher):
    """BM25."""

    bm25: BM25

    def search(self, query: str, depth: int) -> list[Hit]:
        return hits(self.bm25.search(["query"], [query], depth))


@dataclass(frozen=True)
class Dense(Searcher):
    """A ranker that searches its index."""

    model: "Model"

    def search(self, query: str, depth: int) -> list[Hit]:
        return self.model.search(query, depth)

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        return matched(self.model, query, passages)


@dataclass(frozen=True)
class Reranking(Searcher):
    """A ranker that re-ranks what another system finds: its best `depth`, or as many as are asked for if these are
    more. `tokens` is the store that it reads."""

    first: Searcher
    model: "Model"
    tokens: TokenStore
    depth: int

    def search(self, query: str, depth: int) -> list[Hit]:
        found = [hit.passage_id for hit in self.first.search(query, max(depth, self.depth))]
        candidates = pl.Series("passage_id", found, pl.String)
        rows = self.tokens.passage_rows(candidates)
        scores = pl.Series(self.model.score_stored(query, self.tokens.passages, rows), dtype=pl.Float64)
        run = pl.DataFrame({"query_id": "query", "passage_id": candidates, "score": scores})
        return hits(run)[:depth]

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        return matched(self.model, query, passages)


class Searchers:
    """All systems of the project that were built here. Each is loaded when it is first asked, and stays."""

    def __init__(self) -> None:
        self._loaded: dict[str, Searcher] = {}
        self._loading = RLock()

    def names(self) -> list[str]:
        """BM25, then the models in the order of the report. Raises ParamsError."""
        from distilrank.config.derived import measured_names

        built = [name for name in measured_names(self._params) if (layout.MODELS / name / MANIFEST).is_file()]
        return [LEXICAL, *built]

    def usual(self) -> str:
        """The one to ask where none is named: the first indexed student as first taught, else BM25."""
        return next(iter(self._indexed()[1:]), LEXICAL)  # its control is the first

    def compared(self) -> list[str]:
        """What people compare unless they name others: BM25, the usual system, and the first teacher."""
        teachers = [name for name in self.names() if name in self._params.teachers]
        return list(dict.fromkeys([LEXICAL, self.usual(), *teachers[:1]]))

    def how(self, name: str) -> str:
        """How a system answers, in a few words."""
        if name == LEXICAL:
            return "finds by terms"
        if name in self._indexed():
            return "searches its index"
        return f"re-ranks {LEXICAL}'s best {self._params.evaluation.depth}"

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded

    def load(self, name: str) -> Searcher:
        """The system by this name. Raises InputError for a name that no system here has, MissingInput."""
        if name not in self._loaded:
            with self._loading:
                if name not in self._loaded:
                    self._loaded[name] = self._made(name)
        return self._loaded[name]

    @cached_property
    def _params(self) -> "Params":
        from distilrank.config.params_file import read_params

        return read_params()

    def _indexed(self) -> list[str]:
        """The models that have an index."""
        from distilrank.config.derived import index_names

        return index_names(self._params)

    def _made(self, name: str) -> Searcher:
        if name == LEXICAL:
            return _bm25()
        if name not in (known := self.names()):
            raise InputError("search", got=f"system '{name}'", expected=f"one of {known}", remedy="name one of these")
        return self._model(name)

    def _model(self, name: str) -> Searcher:
        """One that has an index searches it; any other re-ranks BM25's best."""
        from distilrank.config.derived import tokens_of
        from distilrank.model import Model

        if name in self._indexed():
            return Dense(Model.load(layout.MODELS / name, layout.INDEXES / name))
        tokens = TokenStore.open(tokens_of(self._params, name))
        depth = self._params.evaluation.depth
        return Reranking(self.load(LEXICAL), Model.load(layout.MODELS / name), tokens, depth)


def _bm25() -> Lexical:
    """With the params that found the candidates. Raises MissingInput."""
    used = read_manifest(layout.CANDIDATES).params
    params = Candidates.model_validate({key: used[key] for key in Candidates.model_fields})
    collection = Collection.read(layout.COLLECTION)
    return Lexical(BM25(collection.passage_ids(), collection.passage_texts(), params))


def refuse_query(query: str) -> None:
    """Raises InputError for a query without words, or one that is too long."""
    if not query.strip():
        raise InputError("search", got="an empty query", expected="words to look for", remedy="say what to look for")
    if len(query) > LONGEST_QUERY:
        raise InputError(
            "search",
            got=f"a query of {len(query):,} characters",
            expected=f"at most {LONGEST_QUERY:,}",
            remedy="shorten it",
        )
