"""What `systems` finds and measures, against runs joined here in other words."""

import gc
import json
import shutil
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tests.measuring import measured
from tests.stages.test_evaluate import of_students, write_untrained

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.config.systems import Depths, deployed
from distilrank.data.collection import Collection
from distilrank.data.dev_sample import dev_sample
from distilrank.errors import ParamsError
from distilrank.evaluation.measures import measure
from distilrank.model import Model
from distilrank.rankers.base import Ranker
from distilrank.searching import Searchers
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.deployed import deployed_times
from distilrank.stages.index import index
from distilrank.stages.systems import systems
from distilrank.stages.tokenize import tokenize_other
from distilrank.workers.cores import threads

pytestmark = pytest.mark.slow(30)

FUSED = ["bm25", "dot-T3"]
SYSTEMS: dict[str, dict[str, Any]] = {
    # Before what it names: the order in params.yaml means nothing.
    "cascade": {"first": "hybrid", "rerank": "tk-T3", "depth": 5},
    "hybrid": {"fuse": FUSED, "by": "rrf", "depth": 20},
    "weighted": {"fuse": FUSED, "by": "weights", "depth": 20},
    "raw": {"fuse": FUSED, "by": "weights", "weights": {"bm25": 3.0, "dot-T3": 1.0}, "depth": 20, "scale": "none"},
    "dense": {"first": "bm25", "rerank": "dot-T3", "depth": 10},
    "deep": {"first": "cascade", "rerank": "dot", "depth": 3},
    "indexed": {"fuse": ["bm25", "dot-sq8-T3"], "by": "rrf", "depth": 20},
}
INDEXES = {"dot": {"kind": "flat"}, "dot-sq8": {"of": "dot", "kind": "sq8"}}
OTHER = {"b1": "create a bucket", "b2": "delete the bucket", "b3": "list a fleet", "b4": "delete the table of a fleet"}


def write_other(folder: Path) -> None:
    """Four passages and two test queries in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": name, "title": "", "text": text} for name, text in OTHER.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": "q1", "text": "create bucket"}, {"_id": "q2", "text": "delete fleet"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tb1\t1\nq2\tb4\t1")


@pytest.fixture(scope="module")
def built(prepared: Path, backbone: Path, tiny_params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose untrained students, and systems of them, are measured."""
    directory = tmp_path_factory.mktemp("systems") / "project"
    shutil.copytree(prepared, directory)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(directory)
        write_other(Path("other"))
        params = params_of(tiny_params)
        collect(params, "other")
        tokenize_other(params, "other", None)
        for on in (layout.OWN, "other"):
            candidates(params, on)
        write_untrained(params, backbone)
        index(params, "dot-sq8-T3")
        measured(params)
    return directory


@pytest.fixture
def params(built: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Of that project, the working directory."""
    monkeypatch.chdir(built)
    return params_of(tiny_params)


def params_of(tiny: Params) -> Params:
    other = {"source": "beir", "location": "other", "candidates": {"depth": 20}, "depth": 10}
    timed = {"queries": 3, "depths": [10, 1000], "seconds": 0.01}
    changes = {"indexes": INDEXES, "audit": {"floors": {}}, "latency": timed}
    return of_students(tiny, systems=SYSTEMS, evaluations={"other": other}, **changes)


def ranking(run: Path) -> dict[str, dict[str, float]]:
    """By query its passages in their order, with their scores."""
    lines: dict[str, dict[str, float]] = defaultdict(dict)
    for query, _, passage, _, score, _ in (line.split() for line in run.read_text().splitlines()):
        lines[query][passage] = float(score)
    return lines


def found(system: str, on: str = layout.OWN) -> dict[str, dict[str, float]]:
    return ranking(layout.system_of(system, on) / "retrieve.trec")


def found_by(ranker: str, on: str = layout.OWN) -> dict[str, dict[str, float]]:
    return ranking(layout.run_of(ranker, "retrieve", on))


def rankers_in_memory() -> int:
    return sum(issubclass(type(one), Ranker) for one in gc.get_objects())


@pytest.mark.parametrize("on", [layout.OWN, "other"])
def test_a_hybrid_is_the_reciprocal_rank_fusion_of_its_members(params: Params, on: str) -> None:
    members = [found_by(name, on) for name in FUSED]
    fused = found("hybrid", on)
    assert fused.keys() == set().union(*members)
    for query, passages in fused.items():
        expected: dict[str, float] = defaultdict(float)
        for member in members:
            for rank, passage in enumerate([*member.get(query, {})][:20], 1):
                expected[passage] += 1 / (60 + rank)
        assert {name: pytest.approx(score, abs=1e-7) for name, score in passages.items()} == expected
        assert [*passages.values()] == sorted(passages.values(), reverse=True)


@pytest.mark.parametrize("name", ["hybrid", "weighted", "dense", "cascade", "indexed"])
def test_a_system_answers_a_text_as_it_was_measured(params: Params, name: str) -> None:
    searcher = Searchers(lambda: params).load(name)
    texts = Collection.read(layout.COLLECTION).queries_of("test")
    for query, text in texts.select("query_id", "text").head(5).iter_rows():
        expected = [*found(name)[query].items()][:10]
        answered = searcher.search(text, 10)
        assert [hit.score for hit in answered] == pytest.approx([score for _, score in expected], rel=1e-4)
        assert {hit.passage_id for hit in answered[:3]} <= {passage for passage, _ in expected}


def test_weights_that_are_given_weigh_scores_as_they_are(params: Params) -> None:
    bm25, dense = (found_by(name) for name in FUSED)
    for query, passages in found("raw").items():
        lexical, vectors = (dict([*member[query].items()][:20]) for member in (bm25, dense))
        expected = {
            name: 3 * lexical.get(name, min(lexical.values())) + vectors.get(name, min(vectors.values()))
            for name in lexical | vectors
        }
        assert passages == pytest.approx(expected, rel=1e-5)


def test_weights_are_those_that_search_best_on_dev_queries(params: Params) -> None:
    told = json.loads(layout.weights_of("weighted").read_text())
    assert sum(told["weights"].values()) == pytest.approx(1) and [*told["weights"]] == FUSED
    assert told["tuned"]["value"] >= max([*told["tuned"]["alone"].values(), told["tuned"]["alike"]])
    assert json.loads(layout.weights_of("raw").read_text()) == {
        "weights": {"bm25": 3.0, "dot-T3": 1.0}, "tuned": None
    }  # fmt: skip
    # A member alone reaches on the same dev queries what its own run does.
    dev = Collection.read(layout.COLLECTION)
    model = Model.load(layout.MODELS / "dot-T3", layout.VECTORS / "dot-T3")
    asked = dev_sample(dev, params.validation.queries)
    queries = dev.queries.join(asked, on="query_id", how="semi")
    rows = [
        (query, hit.passage_id, hit.score)
        for query, text in queries.select("query_id", "text").iter_rows()
        for hit in model.search(text, 20)
    ]
    run = pl.DataFrame(rows, schema=["query_id", "passage_id", "score"], orient="row")
    qrels = dev.qrels_of("dev").join(asked, on="query_id", how="semi")
    value = measure(run, qrels, measures=[params.validation.measure])["value"].mean()
    assert told["tuned"]["alone"]["dot-T3"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "first", "reranker", "depth"), [("cascade", "hybrid", "tk-T3", 5), ("deep", "cascade", "dot", 3)]
)
def test_a_cascade_re_ranks_the_best_of_a_system(
    params: Params, name: str, first: str, reranker: str, depth: int
) -> None:
    cascaded, before, model = found(name), found(first), Model.load(layout.MODELS / reranker)
    collection = Collection.read(layout.COLLECTION)
    queries = dict(collection.queries.select("query_id", "text").iter_rows())
    assert cascaded.keys() == before.keys()
    for query, passages in cascaded.items():
        order, best = [*passages], [*before[query]][:depth]
        assert order[depth:] == [*before[query]][depth:]
        texts = dict(collection.texts_of(pl.Series(best)).iter_rows())
        scores = model.score(queries[query], [texts[one] for one in best])
        assert [passages[one] for one in best] == pytest.approx(scores.tolist(), abs=1e-4)
        assert set(order[:depth]) == set(best)
        assert (np.diff([*passages.values()]) < 0).all()


def test_what_was_scored_for_the_candidates_is_not_scored_again_for_a_cascade(params: Params) -> None:
    def scored() -> set[Path]:
        return set((Path(".store") / "scores").rglob("*.parquet"))

    before, values = scored(), params.model_dump()
    again = {"again": {"first": "bm25", "rerank": "tk-T3", "depth": 10}}
    kept = {file: file.read_bytes() for file in layout.SYSTEMS.rglob("*.trec")}
    systems(Params.model_validate(values | {"systems": SYSTEMS | again}))
    assert before and scored() == before
    assert {file: file.read_bytes() for file in kept} == kept
    # Of the 25 candidates that `evaluate` re-ranks the first ten are in the same order.
    alone, all_of_them = found("again"), ranking(layout.run_of("tk-T3", "rerank"))
    for query, passages in alone.items():
        best = [*found_by("bm25")[query]][:10]
        assert [*passages][: len(best)] == [one for one in all_of_them[query] if one in best]
    systems(params)


def test_systems_are_measured_at_searching_like_any_ranker(params: Params) -> None:
    metrics = json.loads(layout.METRICS.read_text())
    assert set(SYSTEMS) <= metrics["retrieve"].keys()
    # An index is of the collection that models learn from.
    assert metrics["other/retrieve"].keys() & set(SYSTEMS) == set(SYSTEMS) - {"indexed"}
    assert not set(SYSTEMS) & metrics["rerank"].keys()
    assert all(metrics["retrieve"][name].keys() == metrics["retrieve"]["bm25"].keys() for name in SYSTEMS)


def test_what_may_answer_people_is_timed_part_by_part(params: Params) -> None:
    texts, before = ["delete a fleet", "list all queues"], torch.get_num_threads()
    times = dict(deployed_times(params, texts, passages=354))
    assert torch.get_num_threads() == before
    assert [*times] == ["bm25", "dot-T3", "dot-sq8-T3", "tk-T3", *SYSTEMS]
    # The depths that the collection has, and the one where it is measured.
    depths = {name: [*map(int, one.milliseconds)] for name, one in times.items()}
    assert depths["bm25"] == [10] and depths["tk-T3"] == [10, 25] and depths["cascade"] == [5, 10]
    for name, one in times.items():
        for by_threads in one.milliseconds.values():
            assert [*map(int, by_threads)] == sorted({1, threads()})
            for parts in by_threads.values():
                reranks = name in ("tk-T3", "cascade", "dense", "deep")
                expected = ["first stage", "re-ranking", "store reads"] if reranks else []
                assert parts.keys() == {"end to end", *expected}
                assert all(0 < part["p50"] <= part["p95"] <= part["p99"] for part in parts.values())
                if reranks:
                    most = max(parts["first stage"]["p99"], parts["re-ranking"]["p99"])
                    assert most <= parts["end to end"]["p99"] + 0.01


@pytest.mark.parametrize(("primary", "looked_at"), [("nDCG@30", 30), ("AP", 110)])
def test_a_timed_answer_is_as_deep_as_the_primary_measure_looks(params: Params, primary: str, looked_at: int) -> None:
    evaluation = params.evaluation.model_copy(update={"measures": [primary]})
    deeper = params.model_copy(update={"evaluation": evaluation})
    depths = deployed(deeper)
    assert depths["bm25"] == depths["dot-T3"] == depths["dot-sq8-T3"] == Depths(looked_at, looked_at)
    # What re-ranks is measured on what it re-ranks. Behind that, a cascade answers with what its first stage found.
    assert depths["tk-T3"] == Depths(25, 25) and depths["cascade"] == Depths(5, looked_at)
    timed = deployed_times(deeper, ["delete a fleet"], passages=354)
    assert {name: (one.depth, [*map(int, one.milliseconds)]) for name, one in islice(timed, 2)} == dict.fromkeys(
        ["bm25", "dot-T3"], (looked_at, [10, looked_at])
    )


def test_a_system_that_was_timed_is_no_longer_in_memory(params: Params) -> None:
    gc.collect()
    before, searcher = rankers_in_memory(), Searchers(lambda: params).load("tk-T3")
    assert rankers_in_memory() == before + 1
    del searcher
    timed = deployed_times(params, ["delete a fleet"], passages=354)
    assert {name: rankers_in_memory() for name, _ in timed} == dict.fromkeys(
        ["bm25", "dot-T3", "dot-sq8-T3", "tk-T3", *SYSTEMS], before
    )


def test_a_system_is_timed_as_deep_as_is_asked(params: Params) -> None:
    """Whatever its own depth: all that the first stage finds is re-ranked."""
    searcher = Searchers(lambda: params).load("cascade").at(30)
    hits = searcher.search("delete a fleet", 30)
    assert len(hits) == 30 and searcher.reranking
    scores = searcher.reranking.reranked("delete a fleet", hits)
    assert [hit.score for hit in hits] == pytest.approx(sorted(scores["score"], reverse=True), abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"a": {"fuse": ["bm25", "dot-T4"], "by": "rrf"}}, r"systems.a.fuse may .* not dot-T4: did you mean dot-T3\?"),
        ({"a": {"first": "tk-T3", "rerank": "dot"}}, "systems.a.first may name .*not tk-T3"),
        ({"a": {"first": "hybrd", "rerank": "dot"}, "hybrid": SYSTEMS["hybrid"]}, r"did you mean hybrid\?"),
        ({"a": {"first": "bm25", "rerank": "tk"}}, r"systems.a.rerank may name .*not tk: did you mean tk-T3\?"),
        ({"a": {"first": "bm25", "rerank": "dot", "depth": 111}}, "depth is 111, beyond candidates.depth, 110"),
        ({"a": {"first": "a", "rerank": "dot"}}, "systems.a.first may name"),
        (
            {"a": {"first": "b", "rerank": "dot"}, "b": {"first": "a", "rerank": "dot"}},
            "systems.a needs systems.b, which needs systems.a: a circle; name another first stage",
        ),
        ({"a": {"fuse": ["bm25", "bm25"], "by": "rrf"}}, "name each member of fuse once"),
        ({"a": {"fuse": FUSED, "by": "weights", "weights": {"bm25": 1.0}}}, "weights must have a number for each of"),
        ({"a": {"fuse": FUSED, "by": "weights", "weights": {"bm25": 0.0, "dot-T3": 0.0}}}, "one above 0"),
        ({"dot": SYSTEMS["hybrid"]}, "must differ in name"),
        ({"a": {"fuse": FUSED, "by": "rank"}}, "got 'rank', expected one of 'rrf', 'weights'"),
    ],
)  # fmt: skip
def test_systems_that_cannot_be_are_refused(
    params: Params, changed: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(json.dumps(params.model_dump() | {"systems": changed, "evaluations": {}}))
    with pytest.raises(ParamsError, match=fault):
        read_params(file)
