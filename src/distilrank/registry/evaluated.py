"""What the stages `evaluate` and `latency` found, tied to the models and indexes that they measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import digest
from distilrank.config.params import Params
from distilrank.errors import MissingInput
from distilrank.evaluation.measures import Means, means_by_task
from distilrank.evaluation.tasks import RERANK, RETRIEVE, kind_of
from distilrank.registry.built_by_dvc import BuiltByDvc
from distilrank.registry.names import Tag
from distilrank.registry.times import PREFIX, tags_of_times
from distilrank.results.measured_here import measures_here
from distilrank.tracking import metric_key


@dataclass(frozen=True)
class Evaluated:
    """An evaluation's figures.

    `asked` is the digest of the test queries, their candidates and the settings: figures with the same `asked` can be
    compared. `runs` is the digest of the runs. `measures` has every ranker's figures query by query, `means` their
    means over the queries.
    """

    asked: str
    runs: str
    measures: pl.DataFrame
    means: Means
    times: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, params: Params, dvc: BuiltByDvc) -> Self:
        """Reads them. Raises MissingInput if they are missing, or if they measured other models or texts."""
        measures = measures_here()
        return cls(
            asked(params, dvc),
            digest(layout.MEASURES.parent),
            measures,
            means_by_task(measures),
            tags_of_times(params),
        )

    def tags_of(self, model: str) -> dict[str, str]:
        measured = {
            f"{task}/{metric_key(measure)}": str(value)
            for task, rankers in self.means.items()
            for measure, value in rankers.get(model, {}).items()
        }
        return {**measured, **self.times[model], Tag.RUNS: self.runs, Tag.EVALUATION: self.asked}

    def measures_of(self, model: str) -> pl.DataFrame:
        """One model's measures. Raises MissingInput if it was not measured."""
        rows = self.measures.filter(pl.col("ranker") == model)
        if rows.is_empty():
            raise MissingInput(
                layout.RUNS, got=f"no measures of {model}", expected="those of every model", remedy="run `dvc repro`"
            )
        return rows.drop("ranker")


def asked(params: Params, dvc: BuiltByDvc) -> str:
    """The digest of the test queries, candidates and settings of this project's evaluation."""
    identity = [
        dvc.digest(layout.COLLECTION),
        dvc.digest(layout.CANDIDATES),
        params.evaluation.model_dump_json(exclude={"untrained"}),
    ]
    return sha256("\n".join(identity).encode()).hexdigest()


def is_figure(tag: str) -> bool:
    """Whether a version's tag holds a measure or a time."""
    task = tag.rpartition("/")[0]
    return tag.startswith(f"{PREFIX}/") or kind_of(task) in (RERANK, RETRIEVE)
