"""A tiny ranker as MLflow keeps it, with an index if it is a dense one."""

import json
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest
import torch
from mlflow import MlflowClient
from tests.rankers.tiny import save_tiny_ranker

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import one_vector
from distilrank.serving.logged_model import log_ranker

QUERY = "create bucket"
PASSAGES = ["create a bucket", "delete the fleet of a table a list of the bucket of the fleet", "", "list"]
IDS = ["1", "2", "3", "4"]


@pytest.fixture(params=["prettr", "dot"])
def ranker(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a tiny ranker with random weights, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    with whole_directory(layout.MODELS / "T1", "a test", {}, []) as draft:
        save_tiny_ranker(draft.path, request.param)
    return tmp_path / layout.MODELS / "T1"


@pytest.fixture
def index(ranker: Path, tmp_path: Path) -> Path | None:
    """An index of the passages, for a dense ranker."""
    if ranker_of(ranker) != "dot":
        return None
    loaded, tokenizer = load_ranker(ranker), TextTokenizer(ranker)
    with torch.inference_mode():
        vectors = one_vector(loaded.encode_passages(text_batch(PASSAGES, 12, tokenizer)))
    with whole_directory(layout.VECTORS / "T1", "a test", {}, [layout.MODELS / "T1"]) as draft:
        DenseIndex.build(vectors, pl.Series(IDS)).write(draft.path)
    return tmp_path / layout.VECTORS / "T1"


@pytest.fixture
def model(ranker: Path, index: Path | None, tmp_path: Path) -> str:
    """The URI of that ranker as a logged model."""
    tracking_uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=tracking_uri)
    run = client.create_run(client.create_experiment("distilrank"))
    model_id = log_ranker(client, run, "T1", ranker, index, {})
    outputs = client.get_run(run.info.run_id).outputs
    assert outputs is not None
    assert [output.model_id for output in outputs.model_outputs] == [model_id]
    mlflow.set_tracking_uri(tracking_uri)
    return f"models:/{model_id}"


def ranker_of(directory: Path) -> str:
    config: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return str(config["ranker"]["architecture"])


def scores_of(ranker: Path) -> list[float]:
    """The ranker's own scores."""
    tokenizer = TextTokenizer(ranker)
    scores: list[float] = load_ranker(ranker).score(
        text_batch([QUERY], 4, tokenizer), text_batch(PASSAGES, 12, tokenizer)
    )
    return torch.as_tensor(scores).tolist()
