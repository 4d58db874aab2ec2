"""Every benchmark runs, at its smallest, as its docstring says that it is run."""

import shutil
import sys
from pathlib import Path

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from tests.conftest import DATASETS, ROOT, Command
from tests.rankers.tiny import save_tiny_ranker

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.retrieval.dense import DenseIndex
from distilrank.serving.logged_model import log_ranker

pytestmark = pytest.mark.slow(50)

# Arguments that make it small, and what it prints then.
SMALLEST: dict[str, tuple[list[str], list[str]]] = {
    "bm25.py": (["--passages", "300", "--queries", "5"], ["300 passages", "distilrank", "bm25s", "ratio"]),
    "bm25_published.py": (
        ["--queries", "2"],
        ["Anserini │ 0.6789", "stemmer: english", "dl20"]
        if (DATASETS / "scifact").is_dir()
        else ["scifact is not there: left out"],
    ),
    "collection.py": (
        ["--passages", "300", "--triples", "100", "--queries", "20"],
        ["collect │  300", "tokenize", "candidates", "triples given │  100"],
    ),
    "object_store.py": (
        ["--megabytes", "1", "--files", "20"],
        ["1 MB in one object; 20 small ones", "open files", "after the kill: 21 objects, the same"],
    ),
    "score_store.py": (
        ["--pairs", "200", "--pairs-at-once", "50", "--pairs-per-part", "30", "--queries", "20", "--passages", "100"],
        ["200 triples", "ranges of at most 50 pairs"],
    ),
    "evaluation.py": (
        ["--queries", "4", "--depth", "10", "--passages", "200", "--words", "4", "--rankers", "cat"],
        ["40 pairs, on", "pairs kept", "cat"],
    ),
    "indexes.py": (
        ["--passages", "300", "--queries", "5", "--width", "8"],
        ["300 passages of 8 numbers", "flat, ratio", "ivf, Faiss", "hnsw, ratio"],
    ),
    "encoding.py": (
        ["--passages", "6", "--rounds", "1", "--layers", "1", "--services", "sqs", "--datasets", "no"],
        ["6 passages of", "GFLOP/s", "ours", "its default, 32", "share of the peak"],
    ),
    "million.py": (
        ["--passages", "300", "--queries", "5", "--lists", "2"],
        ["collect", "encode dot", "index dot-hnsw", "GB on disk", "5 queries", "dot-sq8"],
    ),
    "late_interaction.py": (
        ["--passages", "200", "--queries", "3", "--candidates", "10", "--rounds", "1", "--width", "16"],
        ["float16", "int8", "bytes per passage", "(a) re-ranking", "sentence-transformers", "PLAID finds"],
    ),
    "scoring.py": (
        ["--queries", "1", "--negatives", "2", "--rounds", "1", "--layers", "1", "--services", "sqs"],
        ["2 triples, 3 unique pairs", "(a) triples as given: ours", "(b) unique pairs: ours", "Our time on one thread"],
    ),
    "training.py": (
        [
            "--steps",
            "5",
            "--batch-size",
            "2",
            "--rounds",
            "1",
            "--layers",
            "1",
            "--services",
            "sqs",
            "--datasets",
            "no",
        ],
        ["10 triples", "SentenceTransformerTrainer", "CrossEncoderTrainer", "padding:", "matrix products", "1.00 x"],
    ),
    "search_page.py": (["--rounds", "1"], ["1 starts", "the page answers", "the first search is answered"]),
    "serving.py": (["tiny.dot", "--queries", "2"], ["re-rank 20 │ served", "find 10", "ratio"]),
}

OF_A_PROJECT = ("search_page.py", "serving.py")


def test_every_benchmark_is_here() -> None:
    assert {file.name for file in (ROOT / "benchmarks").glob("*.py")} == set(SMALLEST)


@pytest.mark.parametrize("name", [name for name in SMALLEST if name not in OF_A_PROJECT])
def test_a_benchmark_runs(name: str, tmp_path: Path, command: Command) -> None:
    arguments, printed = SMALLEST[name]
    datasets = ["--datasets", str(DATASETS)] if name == "bm25_published.py" else []
    run(tmp_path, command, name, [*arguments, *datasets], printed)


def test_the_benchmark_of_serving_runs(project: Path, command: Command) -> None:
    """In a project with a champion in its registry."""
    layout.runs_of("bm25").mkdir(parents=True)
    shutil.copyfile(layout.CANDIDATES / "bm25.test.trec", layout.run_of("bm25", "rerank"))
    register_champion("tiny.dot", project / "mlflow.db")
    run(project, command, "serving.py", *SMALLEST["serving.py"])


def test_the_benchmark_of_the_search_page_runs(project: Path, command: Command) -> None:
    run(project, command, "search_page.py", *SMALLEST["search_page.py"])


def run(directory: Path, command: Command, name: str, arguments: list[str], printed: list[str]) -> None:
    done = command(directory, sys.executable, str(ROOT / "benchmarks" / name), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert [words for words in printed if " ".join(words.split()) not in told] == []


def register_champion(name: str, database: Path) -> None:
    """A tiny dense ranker with an index."""
    ranker, index = layout.MODELS / "tiny", layout.VECTORS / "tiny"
    with whole_directory(ranker, "a test", {}, []) as draft:
        save_tiny_ranker(draft.path, "dot")
    vectors = np.random.default_rng(0).normal(size=(12, 32)).astype(np.float32)
    with whole_directory(index, "a test", {}, [ranker]) as draft:
        DenseIndex.build(vectors, pl.Series([f"p{number:02}" for number in range(12)])).write(draft.path)
    uri = f"sqlite:///{database}"
    client = MlflowClient(tracking_uri=uri)
    mlflow.set_tracking_uri(uri)
    logged = client.create_run(client.create_experiment("distilrank"))
    model = log_ranker(client, logged, "dot", ranker, index, {})
    client.create_registered_model(name)
    version = client.create_model_version(name, f"models:/{model}", logged.info.run_id, model_id=model)
    client.set_registered_model_alias(name, "champion", version.version)
