"""Ensembles whose weights are tuned: on dev queries alone, to what is no worse than any member there."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.graph import graph
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.errors import ParamsError
from distilrank.labels.labels import read_labels
from distilrank.scoring.scores import scan_scores
from distilrank.stages.ensemble import ensemble
from distilrank.stages.import_model import import_model
from distilrank.stages.quality import quality
from distilrank.stages.score import score
from distilrank.stages.score_bm25 import score_bm25
from distilrank.stages.score_dev import score_dev
from distilrank.tracking import stage_run

pytestmark = pytest.mark.slow(20)


def with_ensemble(tiny: Params, **keys: Any) -> Params:
    """MiniLM as it comes, and BM25, together."""
    values = tiny.model_dump(mode="json")
    values["teachers"] = {"T1": {"checkpoint": "minilm"}}
    values["ensembles"] = {"T2": {"members": ["T1", "bm25"], "scale": "z", "weights": "tuned"} | keys}
    values["matrix"] |= {"teachers": ["T2"]}
    return Params.model_validate(values)


def test_only_what_is_tuned_scores_dev_queries(tiny_params: Params) -> None:
    assert graph(tiny_params)["score_dev"] == {}
    untuned = graph(tiny_params)["ensemble"]["bm25-T2"]
    assert (untuned["dev_scores"], untuned["validation"]) == ("data/triples/bm25", "labels")
    found = graph(with_ensemble(tiny_params))
    assert found["score_dev"] == {
        "T1": {"tokens": "data/own-tokens/T1", "model": "models/T1"},
        "bm25": {"tokens": "data/collection", "model": "data/collection"},
    }
    assert found["ensemble"]["bm25-T2"] == {
        "triples": "bm25", "ensemble": "T2", "collection": "data/collection", "dev_scores": "scores/dev-candidates",
        "validation": "validation",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [
        ({"combine": "median"}, "weights are for a mean, but combine is median"),
        ({"scale": "none"}, "tuned weights need scores of one scale: set scale"),
        ({"weights": {"T1": 1.0}}, r"weights must have a number for each of \['T1', 'bm25'\]"),
        ({"weights": {"T1": 0.0, "bm25": 0.0}}, "one above 0"),
        ({"weights": {"T1": -1.0, "bm25": 2.0}}, "greater than or equal to 0"),
        ({"weights": "best"}, "'tuned'"),
    ],
)
def test_weights_that_mean_nothing_are_refused(tiny_params: Params, keys: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValidationError, match=refusal):
        with_ensemble(tiny_params, **keys)


def test_weights_are_the_best_of_the_grid_on_dev_queries(project: Path, tiny_params: Params) -> None:
    """Held against a search of its own, with an nDCG of its own."""
    params = with_ensemble(tiny_params)
    import_model(params, "T1")
    score(params, "T1", "bm25", stage_run)
    score_bm25(params, "bm25")
    for member in ("T1", "bm25"):
        score_dev(params, member, stage_run)
    ensemble(params, "T2", "bm25")

    collection = Collection.read(layout.COLLECTION)
    dev = set(collection.queries_of("dev")["query_id"])
    members = {name: scan_scores(layout.DEV_SCORES / name).collect() for name in ("T1", "bm25")}
    asked = set(members["T1"]["query_id"])
    assert asked <= dev and len(asked) == params.validation.queries
    assert members["T1"].drop("score").equals(members["bm25"].drop("score"))
    assert members["T1"].group_by("query_id").len()["len"].max() == params.evaluation.depth

    relevant = set(collection.qrels_of("dev").filter(pl.col("relevance") > 0).select("query_id", "passage_id").rows())
    scaled = {}
    for name, scores in members.items():
        own = scan_scores(layout.SCORES / "bm25" / name).collect()["score"].cast(pl.Float64)
        values = (scores["score"].cast(pl.Float64) - own.mean()) / own.std()
        scaled[name] = dict(zip(scores.select("query_id", "passage_id").rows(), values, strict=True))
    reached = {share: ndcg(scaled, {"T1": share / 20, "bm25": 1 - share / 20}, relevant) for share in range(21)}

    used = read_manifest(layout.LABELS / "bm25" / "T2").params
    tuned = used["tuned"]
    assert tuned["value"] == pytest.approx(max(reached.values()), abs=1e-6)
    assert reached[round(used["weights"]["T1"] * 20)] == pytest.approx(max(reached.values()))
    assert tuned["alone"] == pytest.approx({"T1": reached[20], "bm25": reached[0]}, abs=1e-6)
    assert tuned["alike"] == pytest.approx(reached[10], abs=1e-6)

    quality(params)
    assert json.loads(layout.LABEL_QUALITY.read_text())["weights"] == {
        "bm25/T2": {"weights": used["weights"], "tuned": tuned}
    }
    # The same weights, given, make the same labels.
    learned = read_labels(layout.LABELS / "bm25" / "T2")
    ensemble(with_ensemble(tiny_params, weights=used["weights"]), "T2", "bm25")
    assert read_labels(layout.LABELS / "bm25" / "T2").equals(learned)


def ndcg(
    members: dict[str, dict[tuple[str, str], float]],
    weights: dict[str, float],
    relevant: set[tuple[str, str]],
    cutoff: int = 10,
) -> float:
    """The mean over queries, of one grade."""
    ranked: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for pair in members["T1"]:
        total = sum(weight * members[name][pair] for name, weight in weights.items())
        ranked[pair[0]].append((total, pair in relevant))
    values = []
    for query, passages in ranked.items():
        gained = [good for _, good in sorted(passages, reverse=True)[:cutoff]]
        ideal = min(cutoff, sum(one == query for one, _ in relevant))
        gain = sum(good / math.log2(rank + 2) for rank, good in enumerate(gained))
        values.append(gain / sum(1 / math.log2(rank + 2) for rank in range(ideal)))
    return sum(values) / len(values)


def test_others_are_not_asked(project: Path, tiny_params: Params) -> None:
    with pytest.raises(ParamsError, match=r"score-dev: got 'T1', expected a member of an ensemble whose weights"):
        score_dev(tiny_params, "T1", stage_run)
