"""What answers a query with hits: BM25, a dense ranker, a re-ranker, a fusion or a cascade."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from distilrank.data.runs import RUN_SCHEMA, Hit, hits
from distilrank.data.tokens import TokenStore
from distilrank.matching import Matched, matched
from distilrank.retrieval.bm25 import BM25
from distilrank.retrieval.fusion import reranked_first

# Read when it is first needed: BM25 answers before torch is imported.
if TYPE_CHECKING:
    from distilrank.model import Model

# One run from the run of each member, by its name.
Joined = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
# Called between the first stage and re-ranking.
Between = Callable[[], object]


class Searcher(ABC):
    """Answers a query."""

    @abstractmethod
    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        """The best `depth` passages, best first, or fewer where it finds fewer. A system with a first stage calls
        `between` when that has answered."""

    def at(self, depth: int) -> "Searcher":
        """The same searcher, but its members find and its ranker re-ranks this many passages."""
        return self

    @property
    def reranking(self) -> "Reranking | None":
        """What re-ranks the first stage's passages, if anything does."""
        return None

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        """What matched in passages that it found. A system that cannot tell gives nothing for each."""
        return [Matched() for _ in passages]


@dataclass(frozen=True)
class Lexical(Searcher):
    """BM25."""

    bm25: BM25

    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        return hits(self.bm25.search(["query"], [query], depth))


@dataclass(frozen=True)
class Dense(Searcher):
    """A ranker that searches what is stored of all passages, or an index of it."""

    model: "Model"

    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        return self.model.search(query, depth)

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        return matched(self.model, query, passages)


@dataclass(frozen=True)
class Reranking(Searcher):
    """A ranker that re-ranks what another system finds: its best `depth`, or as many as are asked for if these are
    more. It reads what is stored of passages, else their tokens."""

    first: Searcher
    model: "Model"
    tokens: TokenStore
    depth: int

    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        found = self.first.search(query, max(depth, self.depth))
        between()
        return hits(self.reranked(query, found))[:depth] if found else []

    def at(self, depth: int) -> "Reranking":
        return replace(self, first=self.first.at(depth), depth=depth)

    @property
    def reranking(self) -> "Reranking":
        return self

    def read(self, passage_ids: pl.Series) -> object:
        """What is stored of passages, as re-ranking reads it."""
        if self.model.index is None:
            return self.tokens.passages.subset(self.tokens.passage_rows(passage_ids))
        return self.model.index.stored(passage_ids)

    def reranked(self, query: str, found: Sequence[Hit]) -> pl.DataFrame:
        """A run of these passages, by the ranker's own scores."""
        passages = pl.Series("passage_id", [hit.passage_id for hit in found], pl.String)
        if self.model.index is None:
            scores = self.model.score_tokens(query, self.tokens.passages, self.tokens.passage_rows(passages))
        else:
            scores = self.model.score_stored(query, passages)
        return pl.DataFrame({"query_id": "query", "passage_id": passages, "score": pl.Series(scores, dtype=pl.Float64)})

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        return matched(self.model, query, passages)


@dataclass(frozen=True)
class Fused(Searcher):
    """Several systems. The best `depth` passages of each are joined into one run."""

    members: Mapping[str, Searcher]
    joined: Joined
    depth: int

    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        runs = {name: _run_of(member.search(query, self.depth)) for name, member in self.members.items()}
        return hits(self.joined(runs))[:depth]

    def at(self, depth: int) -> "Fused":
        return replace(self, depth=depth)


@dataclass(frozen=True)
class Cascaded(Searcher):
    """A ranker that re-ranks the best `depth` passages of its first stage. The others follow them."""

    ranker: Reranking
    depth: int

    def search(self, query: str, depth: int, between: Between = lambda: None) -> list[Hit]:
        found = self.ranker.first.search(query, max(depth, self.depth))
        between()
        if not found:
            return []
        reranked = self.ranker.reranked(query, found[: self.depth])
        return hits(reranked_first(reranked, _run_of(found)))[:depth]

    def at(self, depth: int) -> "Cascaded":
        return Cascaded(self.ranker.at(depth), depth)

    @property
    def reranking(self) -> "Reranking":
        return self.ranker

    def matched(self, query: str, passages: Sequence[str]) -> list[Matched]:
        return self.ranker.matched(query, passages)


def _run_of(found: Sequence[Hit]) -> pl.DataFrame:
    return pl.DataFrame([("query", hit.passage_id, hit.score) for hit in found], schema=RUN_SCHEMA, orient="row")
