"""What a training refuses before it begins."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import Command

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.labels.labels import FILE

Learn = Callable[..., str]


@pytest.fixture
def refused_to_learn(project: Path, run_here: Command) -> Learn:
    """Writes labels of the stored triples and one query more, distils from them, and returns what was printed."""

    def run(query: str, params: str = "") -> str:
        triples = pl.read_parquet(layout.TRIPLES / "bm25" / "triples.parquet")
        other = triples.head(1).with_columns(query_id=pl.lit(query))
        labels = pl.concat([triples, other]).with_columns(
            positive_score=pl.lit(1.0, pl.Float32), negative_scores=pl.lit([0.0], pl.List(pl.Float32))
        )
        shutil.rmtree(layout.LABELS, ignore_errors=True)
        with whole_directory(
            layout.LABELS / "bm25" / "T1", "distilrank labels of T1", {}, [layout.TRIPLES / "bm25"]
        ) as draft:
            labels.write_parquet(draft.path / FILE)
        if params:
            text = Path("params.yaml").read_text()
            Path("params.yaml").write_text(text.replace("unlabelled: null", params))
        done = run_here(project, "distilrank", "distil", "dot", "--teacher", "T1")
        assert not layout.MODELS.exists()
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        return done.stderr

    return run


def queries_of(split: str) -> list[str]:
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    return queries.filter(pl.col("split") == split)["query_id"].to_list()


def lose_label(query: str) -> None:
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    lost = pl.when(pl.col("query_id") == query).then(pl.lit("unlabelled")).otherwise("split").alias("split")
    queries.with_columns(lost).write_parquet(layout.COLLECTION / "queries.parquet")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_labels_of_dev_and_test_queries_are_refused(refused_to_learn: Learn, split: str) -> None:
    [query, *_] = queries_of(split)
    assert refused_to_learn(query) == (
        f"distilrank: labels/bm25/T1: got 1 triples of other queries (the first: '{query}'), expected queries "
        "of the split train; build what is out of date: dvc repro\n"
    )
    lose_label(queries_of("train")[0])
    allowed = "unlabelled: {depth: 8, triples: 2, positive_from: 0.6, negative_to: 0.8, seed: 1}"
    assert "expected queries of the split train or unlabelled" in refused_to_learn(query, allowed)


def test_unlabelled_queries_are_refused_unless_they_are_meant(refused_to_learn: Learn) -> None:
    """Meant, they train: tests/stages/test_unlabelled.py."""
    [query, *_] = queries_of("train")
    lose_label(query)
    assert f"(the first: '{query}'), expected queries of the split train;" in refused_to_learn(query)


def test_a_training_that_diverges_names_its_batch(project: Path, run_here: Command) -> None:
    triples = pl.read_parquet(layout.TRIPLES / "bm25" / "triples.parquet")
    labels = layout.LABELS / "bm25" / "T1"
    with whole_directory(labels, "distilrank labels of T1", {}, [layout.TRIPLES / "bm25"]) as draft:
        far = pl.when(pl.int_range(pl.len()) % 2 == 0).then(1e30).otherwise(0.0).cast(pl.Float32)
        none = pl.lit([0.0], pl.List(pl.Float32))
        triples.with_columns(positive_score=far, negative_scores=none).write_parquet(draft.path / FILE)
    done = run_here(project, "distilrank", "distil", "dot", "--teacher", "T1")
    assert done.returncode == 2, done.stderr
    told = re.search(
        r"^distilrank: models/dot-T1: got a loss of inf at step 1, expected a loss that is finite, .*; look at the "
        r"triples of that batch \((?P<file>\S+)\), or lower the learning rate\n$",
        done.stderr,
        re.MULTILINE,
    )
    assert told, done.stderr
    batch = json.loads((project / told["file"]).read_text())
    assert len(batch) == 4
    assert set(batch[0]) == {*triples.columns, "positive_score", "negative_scores"}
    assert {row["query_id"] for row in batch} <= set(triples["query_id"])
    assert not layout.MODELS.exists()
