"""What a version's run keeps of each evaluation: the version's measures query by query, and every ranker's means."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from distilrank.artifacts.files import read_json, write_json
from distilrank.evaluation.measures import Means

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PLACE, MEASURES, MEANS = "evaluation", "measures.parquet", "metrics.json"


def keep(client: "MlflowClient", version: "ModelVersion", asked: str, measures: pl.DataFrame, means: Means) -> None:
    """Keeps the figures of the evaluation with this `asked`; `means` is empty if the version was measured alone."""
    with TemporaryDirectory() as folder:
        measures.write_parquet(Path(folder) / MEASURES)
        write_json(Path(folder) / MEANS, means)
        client.log_artifacts(version.run_id or "", folder, _place(version, asked))


def measures_of(client: "MlflowClient", version: "ModelVersion", asked: str) -> pl.DataFrame | None:
    """The version's measures in the evaluation, or None if it was not part of it."""
    with _evaluation(client, version, asked) as folder:
        return pl.read_parquet(folder / MEASURES) if folder else None


def means_of(client: "MlflowClient", version: "ModelVersion", asked: str) -> Means:
    """Every ranker's means; empty if the version was not part of the evaluation."""
    with _evaluation(client, version, asked) as folder:
        means: Means = read_json(folder / MEANS) if folder else {}
        return means


@contextmanager
def _evaluation(client: "MlflowClient", version: "ModelVersion", asked: str) -> Iterator[Path | None]:
    """A folder with a copy of what is kept, or None."""
    if not client.list_artifacts(version.run_id or "", _place(version, asked)):
        yield None
        return
    with TemporaryDirectory() as folder:
        yield Path(client.download_artifacts(version.run_id or "", _place(version, asked), folder))


def _place(version: "ModelVersion", asked: str) -> str:
    """The path in the run. It names the version: versions of one model with different indexes share a run."""
    return f"{PLACE}/{asked}/{version.name}-{version.version}"
