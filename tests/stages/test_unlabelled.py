"""Queries without qrels take part in a distillation: BM25 finds their candidates, the teacher labels them."""

import json
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import ROOT, Command

from distilrank.cli.main import app
from distilrank.data.collection import SCHEMAS
from distilrank.scoring.scores import scan_scores

pytestmark = pytest.mark.slow(15)

UNLABELLED = "unlabelled: {depth: 8, triples: 2, positive_from: 0.6, negative_to: 0.8, seed: 1}"


@pytest.fixture
def logged(prepared: Path, tmp_path: Path) -> Path:
    """A project with the tiny collection, of whose training queries every fourth has lost its qrels."""
    tables = {name: pl.read_parquet(prepared / f"data/collection/{name}.parquet") for name in SCHEMAS}
    train = tables["queries"].filter(pl.col("split") == "train")["query_id"].gather_every(4)
    lost = pl.col("query_id").is_in(train.implode())
    split = pl.when(lost).then(pl.lit("unlabelled")).otherwise("split").alias("split")
    tables["queries"], tables["qrels"] = tables["queries"].with_columns(split), tables["qrels"].filter(~lost)
    folder = tmp_path / "collections" / "logged"
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    params = (ROOT / "tests" / "params.tiny.yaml").read_text()
    section = "collection: {source: parquet, location: collections/logged, on_error: drop}\n"
    text = section + params[params.index("backbone:") :].replace("unlabelled: null", UNLABELLED)
    (tmp_path / "params.yaml").write_text(text)
    return tmp_path


def test_a_teacher_labels_queries_that_nobody_did(logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(logged)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for words in ("collect", "tokenize", "candidates", "triples bm25", "triples few", "teach T1", "teach T1b",
                  "score T1 bm25", "score T1b bm25", "score-bm25 bm25", "ensemble T2 bm25",
                  "distil dot --teacher T2"):  # fmt: skip
        app(words.split(), standalone_mode=False)
    unlabelled = pl.read_parquet(logged / "data/triples/bm25/unlabelled.parquet")["query_id"]
    for teacher in ("T1", "bm25", "T2"):
        counts = json.loads((logged / f"labels/bm25/{teacher}/manifest.json").read_text())["counts"]
        labels = pl.read_parquet(logged / f"labels/bm25/{teacher}/labels.parquet")
        added = labels.filter(pl.col("query_id").is_in(unlabelled.implode()))
        assert counts == {"triples": 64, "triples of unlabelled queries": len(added)}
        assert len(labels) == 64 + len(added) > 64
        assert (added["positive_score"] > added["negative_scores"].list.max()).all()
    scores = scan_scores(logged / "scores/bm25/T1").collect()
    joined = added.explode("negative_ids").join(
        scores, left_on=["query_id", "negative_ids"], right_on=["query_id", "passage_id"]
    )
    assert len(joined) == len(added)
    # The control learns from labels alone.
    assert (
        pl.read_parquet(logged / "data/triples/bm25/triples.parquet")["query_id"].is_in(unlabelled.implode()).sum() == 0
    )


def test_without_such_queries_it_is_refused(prepared: Path, tmp_path: Path, command: Command) -> None:
    text = (prepared / "params.yaml").read_text().replace("unlabelled: null", UNLABELLED)
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "data").symlink_to(prepared / "data")
    done = command(tmp_path, "distilrank", "triples", "bm25")
    assert done.returncode == 2
    assert "unlabelled: got no query without qrels that has two candidates" in done.stderr
