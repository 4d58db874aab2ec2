"""The runs of re-ranking, of which each panel reads what it needs: all of them at once need not fit into memory."""

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
# Queries whose scores are drawn and whose orders are compared; more would not move the second decimal.
DRAWN = 1_000


@dataclass(frozen=True)
class Runs:
    """Runs of models by their own seed on the primary task, as tables (query_id, passage_id, score, rank, relevant).

    relevant: the pairs (query_id, passage_id) that are; queries: those of the test set (query_id).
    """

    params: Params
    relevant: pl.DataFrame
    queries: pl.DataFrame

    @cached_property
    def drawn(self) -> pl.DataFrame:
        """Up to `DRAWN` of the queries: as good as at random, and always the same."""
        chosen = sorted(sorted(self.queries["query_id"], key=lot)[:DRAWN])
        return pl.DataFrame({"query_id": chosen}, schema={"query_id": pl.String})

    def __contains__(self, ranker: object) -> bool:
        """Whether it ranks on the collection that models learn from: what finds candidates elsewhere does not."""
        return (layout.OWN, ranker) in evaluated(self.params)

    def of_drawn(self, ranker: str) -> pl.DataFrame:
        """All that a ranker re-ranked for the drawn queries."""
        return _collected(self._lazily(ranker).join(self.drawn.lazy(), on="query_id", how="semi"))

    def firsts(self, ranker: str) -> pl.DataFrame:
        """The passage that a ranker put first, for each query."""
        return _collected(self._lazily(ranker).filter(pl.col("rank") == 1))

    def of_relevant(self, ranker: str) -> pl.DataFrame:
        """The relevant passages alone."""
        return _collected(self._lazily(ranker).filter(pl.col("relevant")))

    def of_teacher_drawn(self, teacher: str) -> pl.DataFrame | None:
        """The run of what students learned from, of the drawn queries; of an ensemble its members' combined.

        None where there is no run: the scales and weights of ensembles that have some are those of the training pairs'
        scores, which are not at hand; nor are other candidates' scores of a teacher whose scores were imported.
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
    """In the same order on each run, as streaming alone would not have it: sums of floats depend on it."""
    return run.collect(engine="streaming").sort("query_id", "rank")


def lot(query_id: str) -> str:
    """What orders queries as if by lot."""
    return hashlib.sha256(query_id.encode()).hexdigest()


def _combined(runs: list[pl.DataFrame], how: Literal["mean", "median"]) -> pl.DataFrame:
    score = pl.col("score").mean() if how == "mean" else pl.col("score").median()
    together = pl.concat(runs).group_by(*KEY, "relevant", maintain_order=True).agg(score)
    return ranked(together)
