"""The runs of re-ranking. Each panel reads only what it needs, because all of them may not fit into memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.derived import evaluated
from distilrank.config.params import Params
from distilrank.data.runs import ranked, scan_trec
from distilrank.evaluation.tasks import RERANK
from distilrank.sections.data import BM25

KEY = ["query_id", "passage_id"]
# The most queries whose scores are drawn and whose orders are compared. More would not change the second decimal.
DRAWN = 1_000


@dataclass(frozen=True)
class Runs:
    """Runs of models with their own seed on the primary task: tables (query_id, passage_id, score, rank, relevant).

    relevant: the relevant pairs (query_id, passage_id). queries: those of the test set (query_id).
    """

    params: Params
    relevant: pl.DataFrame
    queries: pl.DataFrame

    @cached_property
    def drawn(self) -> pl.DataFrame:
        """Up to `DRAWN` queries, chosen as if at random, and always the same."""
        chosen = sorted(sorted(self.queries["query_id"], key=lot)[:DRAWN])
        return pl.DataFrame({"query_id": chosen}, schema={"query_id": pl.String})

    def __contains__(self, ranker: object) -> bool:
        """Whether the ranker has a run here: the first stages of other collections have none."""
        return (layout.OWN, ranker) in evaluated(self.params)

    def of_drawn(self, ranker: str) -> pl.DataFrame:
        """A ranker's run for the drawn queries."""
        return _collected(self._lazily(ranker).join(self.drawn.lazy(), on="query_id", how="semi"))

    def firsts(self, ranker: str) -> pl.DataFrame:
        """The passage that a ranker put first for each query."""
        return _collected(self._lazily(ranker).filter(pl.col("rank") == 1))

    def of_relevant(self, ranker: str) -> pl.DataFrame:
        """A ranker's run, with only the relevant passages."""
        return _collected(self._lazily(ranker).filter(pl.col("relevant")))

    def of_teacher_drawn(self, teacher: str) -> pl.DataFrame | None:
        """A teacher's run for the drawn queries; for an ensemble, its members' runs combined.

        None if there is no such run. An ensemble with scales or weights takes them from the scores of the training
        pairs, which are not at hand. An import has no scores of these candidates.
        """
        known = {*self.params.teachers, *({self.params.candidates.first_stage()} & {BM25})}
        if teacher in known:
            return self.of_drawn(teacher)
        ensemble = self.params.ensembles.get(teacher)
        if ensemble is None or ensemble.scale != "none" or ensemble.weights or not set(ensemble.members) <= known:
            return None
        return _combined([self.of_drawn(member) for member in ensemble.members], ensemble.combine)

    def _lazily(self, ranker: str) -> pl.LazyFrame:
        run = scan_trec(built(layout.run_of(ranker, RERANK)))
        asked = run.join(self.queries.lazy(), on="query_id", how="semi", maintain_order="left")
        judged = asked.join(self.relevant.lazy().with_columns(relevant=True), on=KEY, how="left", maintain_order="left")
        return judged.with_columns(pl.col("relevant").fill_null(False))


def _collected(run: pl.LazyFrame) -> pl.DataFrame:
    """Collects in a fixed order, which streaming does not keep, because sums of floats depend on the order."""
    return run.collect(engine="streaming").sort("query_id", "rank")


def lot(query_id: str) -> str:
    """A key that orders queries as if by lot."""
    return hashlib.sha256(query_id.encode()).hexdigest()


def _combined(runs: list[pl.DataFrame], how: Literal["mean", "median"]) -> pl.DataFrame:
    score = pl.col("score").mean() if how == "mean" else pl.col("score").median()
    together = pl.concat(runs).group_by(*KEY, "relevant", maintain_order=True).agg(score)
    return ranked(together)
