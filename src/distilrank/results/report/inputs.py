"""The report's inputs: the outputs of finished stages, read from their places in the layout."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.derived import measures_of, trained_names
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.evaluation.tasks import RERANK, primary, test_set_of
from distilrank.results.index_audit import IndexAudit
from distilrank.results.measured_times import MeasuredTimes
from distilrank.results.report.rankers import ReportedRanker, reported_rankers
from distilrank.results.report.runs import Runs
from distilrank.results.seeds import Figures, measures_over_seeds, over_seeds
from distilrank.results.shortfalls import Shortfall, read_histories, shortfalls
from distilrank.results.statistics import Compared, statistics
from distilrank.training.history import History


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """All that the report shows.

    metrics: task (see evaluation/tasks.py), ranker, measure -> mean. If a ranker has several seeds, the mean is over
    them, and deviations has the standard deviations. measures: the values per query, also over seeds (ranker, task,
    query_id, measure, value). runs: the re-ranked candidates of the test queries, read when asked for. triples: how
    many each model learned from. labels: the output of the stage `quality`. audit: approximate indexes beside exact
    search. Runs, times and histories are those of a model's own seed.
    """

    params: Params
    rankers: list[ReportedRanker]
    collection: Collection
    metrics: Figures
    deviations: Figures
    measures: pl.DataFrame
    runs: Runs
    latency: MeasuredTimes
    histories: dict[str, History]
    triples: dict[str, int]
    labels: dict[str, Any]
    audit: IndexAudit

    @property
    def primary(self) -> str:
        """The task that rankers are compared by."""
        return primary(self.metrics)

    @property
    def measure(self) -> str:
        """The measure that rankers are compared by if one must do."""
        return self.params.evaluation.primary

    def compared_by(self, task: str) -> list[str]:
        """The measures of a task's tables: the first two measured ones that tell re-rankers apart."""
        measured = next(iter(self.metrics[task].values()))
        return [name for name in measures_of(self.params, RERANK) if name in measured][:2]

    @cached_property
    def tests(self) -> list[Compared]:
        """Each taught student compared with others, in the measures of the tables."""
        shown = ((pl.col("task") == task) & pl.col("measure").is_in(self.compared_by(task)) for task in self.metrics)
        return statistics(self.params, self.measures.filter(pl.any_horizontal(*shown)))

    @property
    def primary_set(self) -> str:
        """The test set of the primary task."""
        return test_set_of(self.primary)

    def values(self, ranker: str, measure: str) -> pl.DataFrame:
        """A ranker's values at the primary task, sorted by query (query_id, value)."""
        chosen = self.measures.filter(
            pl.col("task") == self.primary, pl.col("ranker") == ranker, pl.col("measure") == measure
        )
        return chosen.select("query_id", "value").sort("query_id")

    @property
    def shortfalls(self) -> list[Shortfall]:
        """Taught students that are worse than what they should beat."""
        return shortfalls(self.params, self.metrics, self.histories)

    @property
    def uneven_times(self) -> list[dict[str, float]]:
        """The median milliseconds by model of models that are built alike but differ too much to be true."""
        return self.latency.uneven(self.params)

    @classmethod
    def read(cls, params: Params) -> Self:
        """Reads the outputs of the stages from the working directory. Raises MissingInput."""
        rankers = reported_rankers(params)
        collection = Collection.read(layout.COLLECTION)
        metrics, deviations = over_seeds(_read_json(layout.METRICS))
        return cls(
            params,
            rankers,
            collection,
            metrics,
            deviations,
            measures_over_seeds(pl.read_parquet(built(layout.MEASURES))),
            _runs(params, collection, test_set_of(primary(metrics))),
            MeasuredTimes.read(),
            read_histories(params),
            {name: read_manifest(layout.MODELS / name).counts["triples"] for name in trained_names(params)},
            _read_json(layout.LABEL_QUALITY),
            IndexAudit.read(),
        )


def _runs(params: Params, collection: Collection, test_set: str) -> Runs:
    qrels = collection.qrels_of(test_set)
    relevant = qrels.filter(pl.col("relevance") >= params.minimum_relevance(test_set))
    return Runs(params, relevant.select("query_id", "passage_id"), qrels.select("query_id").unique().sort("query_id"))


def _read_json(path: Path) -> Any:
    return json.loads(built(path).read_text("utf-8"))
