"""Every architecture through every stage, by its entry in params.yaml: as teacher, and as an ensemble's student."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file
from tests.measuring import measured

from distilrank.artifacts import costs, layout
from distilrank.artifacts.manifest import digest, read_manifest
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import read_trec
from distilrank.errors import MissingInput, ParamsError
from distilrank.labels.labels import read_labels, scores_of
from distilrank.rankers.table import ARCHITECTURES
from distilrank.scoring.scores import scan_scores
from distilrank.stages.audit import audit
from distilrank.stages.distil import distil
from distilrank.stages.encode import encode
from distilrank.stages.ensemble import ensemble
from distilrank.stages.evaluate import evaluate
from distilrank.stages.index import index
from distilrank.stages.latency import latency
from distilrank.stages.quality import quality
from distilrank.stages.report import report
from distilrank.stages.score import score
from distilrank.stages.teach import teach
from distilrank.stages.untrained import untrained

pytestmark = pytest.mark.slow(80)

RANKERS: dict[str, dict[str, Any]] = {
    "cat": {"architecture": "cat", "layers": 1},
    "prettr": {"architecture": "prettr", "layers": 2, "join_layer": 1},
    "colbert": {"architecture": "colbert", "layers": 1, "dimension": 16, "normalise": True, "expand_queries": True},
    "dot": {"architecture": "dot", "layers": 1, "pooling": "cls", "dimension": 32, "normalise": True, "scale": 20.0},
    "tk": {"architecture": "tk"},
}
# Those that no options are chosen for here, as their first example is.
RANKERS |= {
    name: next(iter(one.examples(layers=1, width=384).values())).model_dump()
    for name, one in ARCHITECTURES.items()
    if name not in RANKERS
}
# Whose passages are stored, beside those of the dense ranker.
STORED = ["colbert", "tk", "splade"]
VECTOR_PER_TOKEN = ["colbert", "prettr", "tk"]
TRAINING = {
    "steps": 2, "batch_size": 4, "learning_rate": 1e-4, "warmup_share": 0.0, "validate_every": 2, "patience": None,
    "seed": 1,
}  # fmt: skip
LOSSES: dict[str, dict[str, Any]] = {
    "cat": {"name": "margin-mse"},
    "prettr": {"name": "mse"},
    "colbert": {"name": "listwise-kl", "temperature": 2.0},
    "dot": {"name": "weighted-ranknet"},
    "tk": {"name": "mse-ranknet"},
}


def params_of_all(tiny: Params) -> Params:
    """Each architecture a teacher, all of them an ensemble, each a student of it; two negatives a triple."""
    drawn = {"count": 16, "negatives": 2, "negatives_from": 10, "seed": 7}
    teachers = {
        f"{name}_teacher": {"ranker": ranker, "loss": {"name": "ranknet"}, "training": TRAINING}
        for name, ranker in RANKERS.items()
    }
    students = {
        name: {
            "ranker": ranker,
            "start": "backbone",
            "loss": LOSSES.get(name, {"name": "margin-mse"}),
            "control_loss": {"name": "infonce", "temperature": 0.05} if name == "dot" else {"name": "ranknet"},
            "training": TRAINING | ({"part_learning_rates": {"kernels": 1e-2}} if name == "tk" else {}),
        }
        for name, ranker in RANKERS.items()
    }
    students["cat"]["start"] = "teacher"
    students["cat"]["first_phase"] = {"share": 0.5}
    students["dot"]["in_batch"] = {"teacher": "colbert_teacher", "loss": {"name": "listwise-kl", "temperature": 2.0}}
    students["dot"]["training"] |= {"batches": {"topics": 2, "margin_bins": 2}}
    return Params.model_validate(
        tiny.model_dump()
        | {
            "triples": {"bm25": drawn},
            "teachers": teachers,
            "ensembles": {"T2": {"members": list(teachers), "combine": "mean", "scale": "z"}},
            "students": students,
            "matrix": {
                "teachers": ["T2"],
                "controls": ["dot", *STORED],
                "controls_per_teacher": ["cat"],
                "seeds": [],
            },
            # Vectors of a few steps are so alike that float16 does not tell them apart.
            "audit": tiny.audit.model_dump() | {"floors": {}},
            "indexes": {
                "dot": {"kind": "flat"},
                "dot-hnsw": {"of": "dot", "kind": "hnsw", "links": 8},
                "colbert": {"kind": "maxsim"},
                "colbert-int8": {"of": "colbert", "kind": "int8"},
                "colbert-plaid": {"of": "colbert", "kind": "plaid", "centroids": 64},
                "tk": {"kind": "store"},
                "splade": {"kind": "inverted"},
                "splade-pruned": {"of": "splade", "kind": "pruned", "terms": 200},
            },
        }
    )


class Untracked:
    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def finish(self, directory: Path) -> None: ...


@contextmanager
def track(name: str, used: Mapping[str, Any], work: Path) -> Iterator[Untracked]:
    yield Untracked()


@pytest.fixture
def params(project: Path, tiny_params: Params) -> Params:
    from distilrank.stages.triples import triples

    every = params_of_all(tiny_params)
    triples(every, "bm25")
    return every


def test_every_architecture_teaches_learns_and_is_measured(params: Params) -> None:
    for teacher in params.teachers:
        teach(params, teacher, track)
        score(params, teacher, "bm25", track)
    ensemble(params, "T2", "bm25")
    for student in ("dot", *STORED):
        distil(params, student, None, track)
    distil(params, "cat", "T2", track, control=True)
    for student in params.students:
        distil(params, student, "T2", track)
    for student in ("dot", *STORED):
        for name in (student, f"{student}-T2"):
            encode(params, name)
    for name in ("dot-hnsw-T2", "colbert-int8-T2", "colbert-plaid-T2", "splade-pruned-T2"):
        index(params, name)
    metrics = measured(params)
    latency(params)
    audit(params)
    quality(params)
    report(params)

    taught = [f"{student}-T2" for student in params.students]
    starts = ["cat-start-T2", *(f"{student}-start" for student in params.students if student != "cat")]
    trained = ["backbone", *params.teachers, "dot", *STORED, "cat-control-T2", *taught]
    assert set(metrics["rerank"]) == {"bm25", *trained, *starts}
    searching = {"dot", "dot-T2", "colbert", "colbert-T2", "splade", "splade-T2"}
    assert set(metrics["retrieve"]) == {"bm25", "backbone", "dot-start", *searching}
    latencies_are_of_what_is_served(trained)
    page = layout.REPORT.read_text()
    assert all(name in page for name in taught)
    assert all(costs.Cost.of(layout.MODELS / name) for name in taught), "the report tells the training's minutes"
    assert "weighted-ranknet and listwise-kl (temperature 2.0) in batches by colbert_teacher" in page
    assert "weighted-ranknet for the first 50 % of the steps, then margin-mse" in page
    begun = {name for name in taught if "first_phase" in read_manifest(layout.MODELS / name).params["chosen"]}
    assert (
        begun == {name for name in taught if "first_phase" in read_manifest(layout.MODELS / name).params} == {"cat-T2"}
    )
    frozen = str(layout.MODELS / "colbert_teacher")
    assert read_manifest(layout.MODELS / "dot-T2").inputs[frozen] == digest(layout.MODELS / "colbert_teacher")
    assert frozen not in read_manifest(layout.MODELS / "dot").inputs
    labels_are_the_mean_of_normalised_scores(params)
    what_is_stored_is_searched_and_audited()


def what_is_stored_is_searched_and_audited() -> None:
    told = json.loads(layout.AUDIT.read_text())
    assert set(told["indexes"]) == {"dot-hnsw-T2", "colbert-int8-T2", "colbert-plaid-T2", "splade-pruned-T2"}
    assert {name: one["kind"] for name, one in told["exact"].items()} == {
        "dot-T2": "flat", "colbert-T2": "maxsim", "splade-T2": "inverted"
    }  # fmt: skip
    assert all(one["recall"]["10"] == 1 for one in told["exact"].values())
    # Not of dot-hnsw-T2: the graph of vectors that are nearly the same leads nowhere.
    assert all(one["recall"]["10"] > 0.5 for name, one in told["indexes"].items() if name != "dot-hnsw-T2")
    # A passage is found by the score that re-ranks it.
    for name in ("colbert-T2", "splade-T2"):
        runs = (read_trec(layout.run_of(name, kind)) for kind in ("rerank", "retrieve"))
        reranked, found = (run.rename({"score": kind}) for run, kind in zip(runs, ("a", "b"), strict=True))
        both = reranked.join(found, on=["query_id", "passage_id"])
        assert len(both) > 20
        np.testing.assert_allclose(both["a"].to_numpy(), both["b"].to_numpy(), rtol=1e-4)


def latencies_are_of_what_is_served(models: list[str]) -> None:
    told = json.loads(layout.LATENCY.read_text())
    times = told["milliseconds"]
    assert set(times["rerank"]) == {"bm25", *models}
    searching = [name for student in ("dot", "colbert", "splade") for name in (student, f"{student}-T2")]
    assert set(times["retrieve"]) == {"bm25", *searching}
    for name in models:
        assert list(times["rerank"][name]) == ["single", "concurrent", "encoded beforehand"]
    assert list(times["retrieve"]["dot"]) == ["single", "concurrent"]
    stored = told["bytes_per_passage"]
    assert set(stored) == set(models)
    assert stored["cat-T2"] == 0, "it reads query and passage together"
    assert stored["dot-T2"] == stored["dot"] == 4 * RANKERS["dot"]["dimension"]
    by_numbers = told["bytes_by_numbers"]
    assert set(by_numbers) == {name for name in models if name.partition("-")[0].partition("_")[0] in VECTOR_PER_TOKEN}
    # Two bytes a number, or one and two for each vector's scale.
    assert by_numbers["colbert-T2"]["float16"] / by_numbers["colbert-T2"]["int8"] == pytest.approx(32 / 18, rel=1e-3)
    assert told["measured"]["models/dot-T2"] == digest(layout.MODELS / "dot-T2")
    assert told["measured"]["vectors/dot-T2"] == digest(layout.VECTORS / "dot-T2")


def labels_are_the_mean_of_normalised_scores(params: Params) -> None:
    triples = pl.read_parquet(layout.TRIPLES / "bm25" / "triples.parquet")
    labels = read_labels(layout.LABELS / "bm25" / "T2")
    assert labels.select(triples.columns).equals(triples)
    normalised = []
    for teacher in params.teachers:
        scores = scan_scores(layout.SCORES / "bm25" / teacher).collect()
        by_pair = {(query, passage): value for query, passage, value in scores.iter_rows()}
        values = np.array(list(by_pair.values()), np.float64)
        own = [
            [by_pair[query, passage] for passage in (positive, *negatives)]
            for query, positive, negatives in triples.iter_rows()
        ]
        normalised.append((np.array(own) - values.mean()) / values.std(ddof=1))
    np.testing.assert_allclose(scores_of(labels), np.mean(normalised, axis=0), atol=1e-4)


def test_the_vectors_of_another_model_are_not_evaluated(params: Params) -> None:
    distil(params, "dot", None, track)
    encode(params, "dot")
    other = params.model_dump()
    other["students"]["dot"]["training"]["seed"] = 2
    distil(Params.model_validate(other), "dot", None, track)
    with pytest.raises(
        MissingInput,
        match="vectors/dot: got the vectors of another model than models/dot, expected those of models/dot",
    ):
        evaluate(params, "dot", layout.OWN)


def test_a_student_starts_from_its_teachers_layers(params: Params) -> None:
    still = params.model_dump()
    still["students"]["cat"]["training"]["learning_rate"] = 1e-30
    still["ensembles"]["T2"]["members"] = ["cat_teacher", "dot_teacher"]
    params = Params.model_validate(still)
    for teacher in ("cat_teacher", "dot_teacher"):
        teach(params, teacher, track)
        score(params, teacher, "bm25", track)
    ensemble(params, "T2", "bm25")
    distil(params, "cat", "T2", track)
    teacher_weights = load_file(layout.MODELS / "cat_teacher" / "model.safetensors")
    student_weights = load_file(layout.MODELS / "cat-T2" / "model.safetensors")
    name = "backbone.encoder.layer.0.output.dense.weight"
    np.testing.assert_allclose(student_weights[name], teacher_weights[name], atol=1e-7)
    assert str(layout.MODELS / "cat_teacher") in read_manifest(layout.MODELS / "cat-T2").inputs


def as_unlabelled(number: int) -> pl.Series:
    """Takes the qrels from so many of the dev queries, and returns their ids."""
    collection = Collection.read(layout.COLLECTION)
    chosen = collection.queries_of("dev")["query_id"].head(number)
    queries, qrels = (layout.COLLECTION / f"{name}.parquet" for name in ("queries", "qrels"))
    is_chosen = pl.col("query_id").is_in(chosen.implode())
    split = pl.when(is_chosen).then(pl.lit("unlabelled")).otherwise(pl.col("split"))
    pl.read_parquet(queries).with_columns(split=split).write_parquet(queries)
    pl.read_parquet(qrels).filter(~is_chosen).write_parquet(qrels)
    return chosen


def test_a_control_starts_from_its_teachers_layers_too_and_learns_from_the_labelled_part_of_its_triples(
    params: Params,
) -> None:
    still = params.model_dump()
    still["students"]["cat"]["training"]["learning_rate"] = 1e-30
    still |= {"ensembles": {}, "matrix": still["matrix"] | {"teachers": ["cat_teacher"]}}
    teach(Params.model_validate(still), "cat_teacher", track)
    score(Params.model_validate(still), "cat_teacher", "bm25", track)
    # As if the teacher had labelled queries without qrels as well.
    still["unlabelled"] = {"depth": 5, "triples": 1, "positive_from": 0.5, "negative_to": 0.9, "seed": 1}
    params = Params.model_validate(still)
    file = layout.LABELS / "bm25" / "cat_teacher" / "labels.parquet"
    labels = pl.read_parquet(file)
    unlabelled = as_unlabelled(8)
    pl.concat([labels, labels.head(8).with_columns(query_id=unlabelled)]).write_parquet(file)
    distil(params, "cat", "cat_teacher", track, control=True)
    distil(params, "cat", "cat_teacher", track)
    models = [layout.MODELS / name for name in ("cat_teacher", "cat-control-cat_teacher", "cat-cat_teacher")]
    teacher, *students = [load_file(model / "model.safetensors") for model in models]
    for weights in students:
        for name in weights:
            np.testing.assert_allclose(weights[name], students[0][name], atol=1e-7)
            if name.startswith("backbone."):
                np.testing.assert_allclose(weights[name], teacher[name], atol=1e-7)
    assert [read_manifest(model).counts["triples"] for model in models] == [16, 16, 24]


@pytest.mark.parametrize("student", [name for name in RANKERS if name != "cat"])
def test_a_start_is_what_the_training_begins_with(params: Params, student: str) -> None:
    """To the weight, random ones included: a training that moves nothing ends where the start is."""
    still = params.model_dump()
    still["students"][student]["training"] |= {"learning_rate": 1e-30, "part_learning_rates": {}}
    params = Params.model_validate(still)
    distil(params, student, None, track)
    begun = untrained(params)[f"{student}-start"](layout.TOKENS).state_dict()
    trained = load_file(layout.MODELS / student / "model.safetensors")
    assert trained.keys() == begun.keys()
    for name, weight in trained.items():
        np.testing.assert_allclose(weight, begun[name].cpu(), atol=1e-7)


def test_a_teacher_may_learn_from_other_triples(params: Params) -> None:
    from distilrank.stages.triples import triples

    other = params.model_dump()
    other["triples"]["again"] = other["triples"]["bm25"] | {"seed": 8}
    for entry in (*other["teachers"].values(), *other["students"].values()):
        entry["triples"] = "bm25"
    other["teachers"]["tk_teacher"]["triples"] = "again"
    triples(Params.model_validate(other), "again")
    weights = []
    for variant in (params, Params.model_validate(other)):
        teach(variant, "tk_teacher", track)
        weights.append(load_file(layout.MODELS / "tk_teacher" / "model.safetensors")["head.weight"])
    assert not np.array_equal(weights[0], weights[1])


def test_by_more_seeds_a_student_is_trained_and_measured_and_nothing_else(project: Path, tiny_params: Params) -> None:
    from distilrank.stages.triples import triples

    values = tiny_params.model_dump()
    values |= {"students": {"dot": values["students"]["dot"]}, "teachers": {"T1b": values["teachers"]["T1b"]}}
    values |= {"ensembles": {}, "matrix": values["matrix"] | {"teachers": ["T1b"], "seeds": [2]}}
    params = Params.model_validate(values)
    triples(params, "bm25")
    triples(params, "few")
    teach(params, "T1b", track)
    score(params, "T1b", "bm25", track)
    for teacher in (None, "T1b"):
        for seed in (None, 2):
            distil(params, "dot", teacher, track, seed=seed)
    for name in ("dot", "dot-T1b"):
        encode(params, name)
    index(params, "dot-hnsw-T1b")
    metrics = measured(params)
    latency(params)
    audit(params)
    quality(params)
    report(params)

    models = ["dot", "dot-T1b", "dot~2", "dot-T1b~2"]
    weights = [load_file(layout.MODELS / name / "model.safetensors") for name in ("dot", "dot~2")]
    assert any(not np.array_equal(value, weights[1][name]) for name, value in weights[0].items())
    assert list(metrics["rerank"]) == ["bm25", "backbone", "T1b", "dot-start", *models]
    assert list(metrics["retrieve"]) == ["bm25", "backbone", "dot-start", "dot", "dot-T1b"]
    assert not any("~" in name for name in json.loads(layout.LATENCY.read_text())["milliseconds"]["rerank"])
    figures = [metrics["rerank"][name]["nDCG@10"] for name in ("dot-T1b", "dot-T1b~2")]
    page = layout.REPORT.read_text()
    assert f"{np.mean(figures):.3f}" in page
    assert f"±&nbsp;{np.std(figures, ddof=1):.3f}" in page
    assert "trained by 2 seeds each" in page
    with pytest.raises(ParamsError, match=r"matrix.seeds: got no seed 4, expected one of \[2\]"):
        distil(params, "dot", None, track, seed=4)
