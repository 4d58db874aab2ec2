"""Distillation from published scores alone: real MS MARCO queries, no teacher, every stage by DVC."""

import json
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.conftest import DATASETS, ROOT, Command
from tests.test_pipeline import clone

MINI = DATASETS / "msmarco-teacher-mini"


@pytest.mark.skipif(not MINI.is_dir(), reason=f"{MINI} is not there")
def test_students_learn_from_published_scores_alone(tmp_path: Path, command: Command) -> None:
    project = clone(tmp_path)
    as_tables(project / "collections" / "mini")
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "tests" / "params.tiny.yaml")
    params |= {
        "collection": {"source": "parquet", "location": "collections/mini"},
        "candidates": params["candidates"] | {"depth": 10, "train_depth": 10},
        "triples": params["triples"] | {"count": 20, "negatives_from": 10},
        "teachers": {},
        "ensembles": {},
        "imports": {"T2": {"location": str(MINI / "teacher_scores.tsv"), "checksum": None}},
        "students": {"dot": params["students"]["dot"]},
        "matrix": {"teachers": ["T2"], "controls": ["dot"], "indexes": ["dot"]},
    }
    with (project / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    done = command(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((project / "evaluation/metrics.json").read_text())
    assert list(metrics["rerank"]) == ["bm25", "dot", "dot-T2"]
    quality = json.loads((project / "evaluation/labels.json").read_text())["teachers"]["T2"]
    assert quality["triples"] == 250
    lines = [line.split("\t") for line in (MINI / "teacher_scores.tsv").read_text().splitlines()]
    negative = [line for line in lines if float(line[0]) < float(line[1])]
    assert quality["negative_margins"] == pytest.approx(len(negative) / len(lines))
    page = (project / "report/report.html").read_text()
    assert "dot-T2" in page and "T1" not in page
    assert "dot-T2" in command(project, "distilrank", "results").stdout


def as_tables(directory: Path) -> None:
    """The collection in this project's form; its queries, all for training, are split by their number."""
    directory.mkdir(parents=True)
    passages = pl.read_ndjson(MINI / "corpus.jsonl").rename({"_id": "passage_id"})
    passages.select("passage_id", "title", "text").write_parquet(directory / "passages.parquet")
    queries = pl.read_ndjson(MINI / "queries.jsonl").rename({"_id": "query_id"})
    splits = pl.Series("split", ["train"] * (len(queries) - 4) + ["dev"] * 2 + ["test"] * 2)
    queries = queries.select("query_id", "text", splits)
    queries.write_parquet(directory / "queries.parquet")
    qrels = pl.concat(pl.read_csv(file, separator="\t") for file in (MINI / "qrels").iterdir())
    qrels.columns = ["query_id", "passage_id", "relevance"]
    judged = qrels.join(queries, on="query_id").select(
        "query_id", "passage_id", pl.col("relevance").cast(pl.Int64), "split"
    )
    judged.write_parquet(directory / "qrels.parquet")
