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
    assert "unlabelled: got no unlabelled query with two candidates" in done.stderr


def test_clicks_are_counted_and_those_of_test_queries_left_out(
    logged: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(logged)
    for words in ("collect", "candidates"):
        app(words.split(), standalone_mode=False)
    queries = pl.read_parquet("data/collection/queries.parquet")
    asked = {split: some["query_id"].to_list() for (split,), some in queries.group_by("split", maintain_order=True)}
    first, second = asked["unlabelled"][:2]
    # In this collection a query and its relevant passage share the id. The second clicked what is not relevant.
    lines = [(first, first, 3), (first, first, 1), (second, first, 1), (second, "absent", 1), (second, second, 0),
             ("nobody", first, 1), *((query, query, 1) for query in asked["test"] + asked["dev"])]  # fmt: skip
    Path("clicks.tsv").write_text("".join(f"{query}\t{passage}\t{times}\n" for query, passage, times in lines))
    text = Path("params.yaml").read_text().replace("seed: 1}\nteachers", "seed: 1, clicks: CLICKS}\nteachers")
    Path("params.yaml").write_text(text.replace("CLICKS", "{location: clicks.tsv, checksum: null}"))
    app(["triples", "bm25"], standalone_mode=False)
    told = {
        "clicks": len(lines) - 2, "clicks of unknown queries, left out": 1, "clicks of unknown passages, left out": 1,
        "clicks of dev queries, left out": len(asked["dev"]), "clicks of test queries, left out": len(asked["test"]),
    }  # fmt: skip
    counts = json.loads(Path("data/triples/bm25/manifest.json").read_text())["counts"]
    assert {name: number for name, number in counts.items() if name.startswith("clicks")} == told
    assert f"{len(lines) - 2:,} clicks" in capsys.readouterr().out
    kept = pl.read_parquet("data/triples/bm25/clicks.parquet")
    assert sorted(kept.rows()) == sorted([(first, first), (second, first)])
    # Whether BM25 found it or not, a teacher scores what was clicked.
    scored = pl.read_parquet("data/triples/bm25/unlabelled.parquet").filter(pl.col("query_id") == second)
    assert first in [scored["positive_id"][0], *scored["negative_ids"][0]]
    app(["score-bm25", "bm25"], standalone_mode=False)
    labels = pl.read_parquet("labels/bm25/bm25/labels.parquet")
    learned = labels.filter(pl.col("query_id").is_in([first, second])).select("query_id", "positive_id").rows()
    assert set(learned) <= set(kept.rows())
    counts = json.loads(Path("labels/bm25/bm25/manifest.json").read_text())["counts"]
    assert counts["triples of clicks"] == len(learned)
    assert counts["triples of unlabelled queries"] >= len(learned)
