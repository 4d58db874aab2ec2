"""The audit of approximate indexes, against figures worked out from plain products; and what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.stages.test_evaluate import of_students, write, write_untrained

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import digest
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import RUN_SCHEMA, read_trec
from distilrank.data.tokens import TokenStore
from distilrank.errors import AuditError, InputError, MissingInput
from distilrank.evaluation.measures import means
from distilrank.indexed import load_indexed
from distilrank.model import Model
from distilrank.rankers.loading import load_ranker
from distilrank.results.index_audit import IndexAudit
from distilrank.retrieval import fitting
from distilrank.retrieval.dense import DenseIndex
from distilrank.stages.audit import audit
from distilrank.stages.candidates import candidates
from distilrank.stages.encode import encode
from distilrank.stages.evaluate import evaluate
from distilrank.stages.index import index
from distilrank.stages.test_collection import TestCollection
from distilrank.stages.update import update

pytestmark = pytest.mark.slow(30)
# One that finds little: it probes one list of many.
POOR = {"of": "dot", "kind": "ivf", "lists": 40, "probes": 1}


@pytest.fixture
def params(project: Path, backbone: Path, tiny_params: Params) -> Params:
    """With an untrained `dot-T3`, and two indexes of its vectors."""
    indexes = tiny_params.model_dump()["indexes"] | {"dot-poor": POOR}
    made = of_students(tiny_params, indexes=indexes, audit={"queries": 1000, "single_queries": 3, "floors": {}})
    candidates(made)
    write_untrained(made, backbone)
    for name in ("dot-hnsw-T3", "dot-poor-T3"):
        index(made, name)
    return made


def test_recall_is_the_share_of_exact_search_that_is_found(params: Params) -> None:
    audit(params)
    told = IndexAudit.read()
    assert list(told.exact) == ["dot-T3"]
    assert list(told.indexes) == ["dot-hnsw-T3", "dot-poor-T3"]
    exact, poor = told.exact["dot-T3"], told.indexes["dot-poor-T3"]
    assert set(exact.recall.values()) == {1.0}
    assert exact.bytes_per_passage == pytest.approx(4 * 384, abs=1)
    assert told.indexes["dot-hnsw-T3"].bytes_per_passage == pytest.approx(2 * 384 + 8 * 8 + 20, rel=0.1)
    assert (poor.model, poor.entry, poor.kind) == ("dot-T3", "dot-poor", "ivf")
    assert poor.build_seconds is not None and exact.build_seconds is None
    assert poor.recall["10"] == pytest.approx(recall_by_hand(params, "dot-poor-T3", 10), abs=1e-4)
    assert poor.recall["100"] <= poor.recall["10"] < 1
    assert set(poor.milliseconds) == {"p50", "p95", "p99"}
    assert list(poor.effectiveness) == ["nDCG@10", "RR@10", "AP@1000", "R@20", "R@100"]
    assert poor.effectiveness["R@100"] <= exact.effectiveness["R@100"]


def recall_by_hand(params: Params, name: str, depth: int) -> float:
    tokens, loaded = TokenStore.open(layout.TOKENS), load_indexed(params, name)
    collection = Collection.read(layout.COLLECTION)
    ids = collection.test_qrels()["query_id"].unique().sort()
    queries, vectors = loaded.encoded_queries(tokens, ids), np.load(layout.VECTORS / "dot-T3" / "vectors.npy")
    run = loaded.retrieve(tokens, ids, depth)
    shares = []
    for row, query in enumerate(ids):
        best = {tokens.passage_ids[int(one)] for one in np.argsort(-(vectors @ queries[row]))[:depth]}
        shares.append(len(best & set(run.filter(pl.col("query_id") == query)["passage_id"])) / depth)
    return float(np.mean(shares))


RE_RANKING = ("prettr", "tk")


@pytest.fixture
def re_ranking(project: Path, backbone: Path, tiny_params: Params) -> Params:
    """With an untrained `prettr-T3` and `tk-T3`, their passage stores, and copies of these in int8."""
    values = tiny_params.model_dump()
    students, matrix = values["students"], values["matrix"] | {"controls": ["dot", *RE_RANKING]}
    students["prettr"] = students["tk"] | {"ranker": {"architecture": "prettr", "layers": 2, "join_layer": 1}}
    stores = {name: {"kind": "store", "numbers": "float32"} for name in RE_RANKING}
    copies = {f"{name}-int8": {"of": name, "kind": "int8"} for name in RE_RANKING}
    asked = {"queries": 1000, "single_queries": 3, "floors": {}}
    indexes = {"dot": {"kind": "flat"}} | stores | copies
    made = of_students(tiny_params, students=students, matrix=matrix, indexes=indexes, audit=asked)
    candidates(made)
    write_untrained(made, backbone)
    tk: Any = load_ranker(layout.MODELS / "tk-T3")
    tk.head.weight.data.normal_()  # which begins with zeros
    write(made, "tk-T3", tk)
    for name in RE_RANKING:
        encode(made, f"{name}-T3")
        index(made, f"{name}-int8-T3")
    return made


def re_ranked(params: Params, ranker: str) -> tuple[dict[str, float], pl.DataFrame]:
    """The measures and the scores (query_id, passage_id, score) of `evaluate`."""
    evaluate(params, ranker, layout.OWN)
    values = pl.read_parquet(layout.runs_of(ranker) / layout.MEASURES.name).filter(task="rerank")
    return means(values.drop("task")), sorted_run(read_trec(layout.run_of(ranker, "rerank")))


def sorted_run(run: pl.DataFrame) -> pl.DataFrame:
    return run.select("query_id", "passage_id", "score").sort("query_id", "passage_id")


def test_a_copy_in_int8_is_audited_by_re_ranking_where_nothing_searches(re_ranking: Params) -> None:
    """The store re-ranks as `evaluate` has it, and the copy as it has a store of int8."""
    audit(re_ranking)
    told, test = IndexAudit.read(), TestCollection.read(re_ranking, layout.OWN)
    asked = pl.concat(map(test.best, test.ranges(100)))
    smaller = re_ranking.model_dump()
    smaller["indexes"] |= {name: {"kind": "store", "numbers": "int8"} for name in RE_RANKING}
    for name in RE_RANKING:
        model, store, copy = f"{name}-T3", told.exact[f"{name}-T3"], told.indexes[f"{name}-int8-T3"]
        assert (store.task, store.kind, copy.task, copy.kind) == ("rerank", "store", "rerank", "int8")
        assert list(store.effectiveness) == list(copy.effectiveness) == ["nDCG@10", "RR@10", "AP@1000", "R@20"]
        assert store.recall == {"10": 1.0} and copy.recall["10"] > 0.8
        # A token has 384 numbers of four bytes, or of one and a scale of two; a passage has a length of four.
        assert (store.bytes_per_passage - 4) / (copy.bytes_per_passage - 4) == pytest.approx(4 * 384 / 386, rel=0.01)
        loaded = Model.load(layout.MODELS / model, layout.INDEXES / f"{name}-int8-T3")
        of_copy = sorted_run(loaded.rerank(TokenStore.open(layout.TOKENS), asked))["score"].to_list()
        effectiveness, run = re_ranked(re_ranking, model)
        assert store.effectiveness == pytest.approx(effectiveness, abs=1e-4)
        assert of_copy != pytest.approx(run["score"].to_list(), rel=1e-5)
        encode(Params.model_validate(smaller), model)
        effectiveness, run = re_ranked(Params.model_validate(smaller), model)
        assert copy.effectiveness == pytest.approx(effectiveness, abs=1e-4)
        assert of_copy == pytest.approx(run["score"].to_list(), rel=1e-5)
    with pytest.raises(InputError, match="search: got 'tk-int8-T3', expected one of"):
        load_indexed(re_ranking, "tk-int8-T3")


def test_an_index_below_its_floor_fails_the_audit(params: Params) -> None:
    floors = {"queries": 1000, "single_queries": 3, "floors": {"dot-hnsw": 0.3, "dot-poor": 0.99}}
    asked = Params.model_validate(params.model_dump() | {"audit": floors})
    with pytest.raises(AuditError, match=r"dot-poor-T3: got recall@10 of 0\.\d+, expected at least 0.99, as audit"):
        audit(asked)
    assert not layout.AUDIT.exists()


def test_where_exact_search_finds_nothing_nothing_is_lost(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> pl.DataFrame:
        return pl.DataFrame(schema=RUN_SCHEMA)

    monkeypatch.setattr(DenseIndex, "search", nothing)
    audit(params)
    assert set(IndexAudit.read().indexes["dot-poor-T3"].recall.values()) == {1.0}


def test_an_update_is_refused_before_anything_is_encoded(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a passage that the file has twice, and where there is no room."""
    monkeypatch.setattr(Model, "put", None)
    file, target = tmp_path / "more.jsonl", Path("updated/dot-hnsw-T3")
    line = json.dumps({"_id": "new", "title": "", "text": "Fastens a llama to the mast."}) + "\n"
    file.write_text(2 * line)
    with pytest.raises(InputError, match=r"more\.jsonl: got the passage 'new' twice, expected each id once"):
        update(params, "dot-hnsw-T3", target, file, None)
    file.write_text(line)
    monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000}))
    with pytest.raises(InputError, match=r"dot-hnsw-T3: got an index of [\d,]+ passages of 384 numbers, with its vec"):
        update(params, "dot-hnsw-T3", target, file, None)
    assert not target.exists()


def changed(place: Path) -> None:
    """Another directory of the same name, which has the same files."""
    with whole_directory(place, "another", {"changed": True}, []) as draft:
        for file in place.iterdir():
            if file.name != "manifest.json":
                (draft.path / file.name).write_bytes(file.read_bytes())


def test_what_was_made_from_something_else_is_refused(params: Params) -> None:
    with pytest.raises(
        InputError, match=r"search: got 'tk-T3', expected one of \['dot', 'dot-T3', 'dot-hnsw-T3', 'dot"
    ):
        load_indexed(params, "tk-T3")

    changed(layout.MODELS / "dot-T3")
    for name in ("dot-T3", "dot-hnsw-T3"):
        with pytest.raises(MissingInput, match="vectors/dot-T3: got the vectors of another model than models/dot-T3"):
            load_indexed(params, name)
    encode(params, "dot-T3")
    assert load_indexed(params, "dot-T3").index is not None
    with pytest.raises(
        MissingInput, match="indexes/dot-hnsw-T3: got an index of other vectors than those of vectors/dot"
    ):
        load_indexed(params, "dot-hnsw-T3")
    changed(layout.TOKENS)
    with pytest.raises(MissingInput, match="vectors/dot-T3: got the vectors of another data/tokens"):
        load_indexed(params, "dot-T3")


def test_an_index_is_found_and_checked_wherever_the_project_is(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path.cwd()
    monkeypatch.chdir(tmp_path)
    model = Model.load(root / "models" / "dot-T3", root / "indexes" / "dot-hnsw-T3")
    assert isinstance(model.index, DenseIndex)
    assert len(model.search("delete a fleet", 5)) == 5


def test_an_updated_index_finds_what_was_put_and_not_what_was_deleted(params: Params, tmp_path: Path) -> None:
    """Of `dot-hnsw-T3`, with a passage more, one replaced, and one deleted. The outputs stay as they are."""
    before = digest(layout.INDEXES / "dot-hnsw-T3"), digest(layout.VECTORS / "dot-T3")
    first, second, third = TokenStore.open(layout.TOKENS).passage_ids[:3]
    texts = {"new": "Fastens a llama to the mast.", second: "Paints every third zebra."}
    lines = [json.dumps({"_id": one, "title": "", "text": text}) for one, text in texts.items()]
    (tmp_path / "more.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "gone.txt").write_text(f"{third}\n")
    target = Path("updated/dot-hnsw-T3")
    files = {"passages": tmp_path / "more.jsonl", "delete": tmp_path / "gone.txt"}
    assert update(params, "dot-hnsw-T3", target, **files) == {"passages put": 2, "passages deleted": 1}
    model = Model.load(layout.MODELS / "dot-T3", target)
    for passage_id, text in texts.items():
        assert model.search(text, 1)[0].passage_id == passage_id
    every = {hit.passage_id for hit in model.search("delete a fleet", 1000)}
    assert third not in every and first in {hit.passage_id for hit in model.search("delete a fleet", 1000)}
    assert (digest(layout.INDEXES / "dot-hnsw-T3"), digest(layout.VECTORS / "dot-T3")) == before
    with pytest.raises(InputError, match="updated/dot-hnsw-T3: got an existing path"):
        update(params, "dot-hnsw-T3", target, **files)
    with pytest.raises(MissingInput, match="passage 'nobody': got an id that is not stored"):
        (tmp_path / "gone.txt").write_text("nobody\n")
        update(params, "dot-hnsw-T3", Path("updated/other"), **files)
    assert not Path("updated/other").exists()


def test_the_estimate_is_printed_before_a_build(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    index(params, "dot-hnsw-T3")
    passages = json.loads((layout.VECTORS / "dot-T3" / "manifest.json").read_text())["counts"]["passages"]
    assert (
        f"dot-hnsw-T3: an index of kind hnsw of {passages:,} passages of 384 numbers, 0.00" in capsys.readouterr().out
    )
