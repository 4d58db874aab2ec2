"""Triples mined from a run that a user gives, beside BM25 and a model without an index."""

import json
from pathlib import Path

import polars as pl
import pytest

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import ParamsError
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.stages.find import find
from distilrank.stages.mine import mine
from distilrank.stages.triples import triples
from distilrank.tracking import stage_run


@pytest.fixture
def params(project: Path, backbone: Path, tiny_params: Params) -> Params:
    """T1b stands, untrained; run.trec has 30 passages for each of five training queries, and for a test query."""
    tokenizer = TextTokenizer(layout.TOKENS)
    ranker = begin_ranker(tiny_params.teachers["T1b"].ranker, pretrained(backbone), tiny_params.tokens, tokenizer)
    with whole_directory(layout.MODELS / "T1b", "a test", {}, []) as draft:
        ranker.save_pretrained(draft.path)
        copy_tokenizer(layout.TOKENS, draft.path)
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    passages = pl.read_parquet(layout.COLLECTION / "passages.parquet")["passage_id"].to_list()
    asked = [*queries.filter(split="train")["query_id"][:5], queries.filter(split="test")["query_id"][0]]
    lines = [f"{query} Q0 {passages[rank]} {rank} {100 - rank} mine" for query in asked for rank in range(1, 31)]
    (project / "run.trec").write_text("\n".join(lines) + "\n")
    values = tiny_params.model_dump()
    values["triples"]["mined"] = {
        "from": ["bm25", "T1b", {"location": "run.trec", "checksum": None}],
        "ranks": [3, 9],
        "negatives": 6,
        "count": 12,
    }
    return Params.model_validate(values)


def test_negatives_come_of_the_ranks_of_each_source(params: Params) -> None:
    sources = ("bm25", "T1b", "run-1")
    for source in sources:
        find(params, "mined", source)
    mine(params, "mined", stage_run)
    found = {source: pl.read_parquet(layout.FOUND / "mined" / source / "found.parquet") for source in sources}
    for run in found.values():
        assert set(run["rank"]) == set(range(3, 10))
    train = pl.read_parquet(layout.COLLECTION / "qrels.parquet").filter(split="train")
    assert set(found["T1b"]["query_id"]) == set(train["query_id"])
    assert found["run-1"]["query_id"].n_unique() == 5
    mined = pl.read_parquet(layout.TRIPLES / "mined" / "triples.parquet").explode("negative_ids")
    assert len(mined) == 12 * 6
    pairs = mined.select("query_id", passage_id="negative_ids")
    assert pairs.join(pl.concat(found.values()), on=["query_id", "passage_id"], how="anti").is_empty()
    assert pairs.join(train, on=["query_id", "passage_id"], how="semi").is_empty()
    counts = json.loads((layout.TRIPLES / "mined" / "manifest.json").read_text())["counts"]
    assert counts["found by run-1"] == 5 * 7


def test_a_source_or_a_set_of_another_kind_is_refused(params: Params) -> None:
    with pytest.raises(ParamsError, match=r"from: got no source 'run-2', expected one of \['bm25', 'T1b', 'run-1'\]"):
        find(params, "mined", "run-2")
    with pytest.raises(ParamsError, match=r"triples that are mined: got no entry 'bm25', expected one of \['mined'\]"):
        mine(params, "bm25", stage_run)
    with pytest.raises(ParamsError, match=r"triples.mined: got triples that are mined.*run `distilrank mine mined`"):
        triples(params, "mined")
