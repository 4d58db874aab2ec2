"""BM25 as a teacher: by itself, and as a member of an ensemble."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.graph import graph
from distilrank.config.labelling import labels
from distilrank.config.params import Params
from distilrank.data.triples import pairs_of
from distilrank.errors import ScoreError
from distilrank.labels.labels import read_labels
from distilrank.scoring.scores import scan_scores, write_part
from distilrank.stages.ensemble import ensemble
from distilrank.stages.score_bm25 import score_bm25


@pytest.fixture
def params(tiny_params: Params) -> Params:
    return with_bm25(tiny_params)


def with_bm25(tiny: Params, **changes: object) -> Params:
    values = tiny.model_dump() | {"ensembles": {"T2": {"members": ["bm25", "T1"], "combine": "mean", "scale": "z"}}}
    return Params.model_validate(values | changes)


def test_it_is_scored_only_where_something_names_it(tiny_params: Params, params: Params) -> None:
    assert graph(tiny_params)["bm25"] == []
    assert graph(params)["bm25"] == ["bm25"]
    teaches = with_bm25(tiny_params, ensembles={}, matrix=tiny_params.matrix.model_dump() | {"teachers": ["bm25"]})
    assert graph(teaches)["bm25"] == ["bm25"]
    assert graph(teaches)["distil"]["dot-bm25"]["learns_from"] == "labels/bm25/bm25"
    assert ("bm25", "bm25") in labels(teaches)
    # An ensemble's layers are those of its first member that has some.
    assert params.members("T2") == ["T1"]


def test_an_ensemble_of_bm25_and_a_teacher(project: Path, params: Params) -> None:
    """By z, each counts as much as the other, however far apart their scores are."""
    score_bm25(params, "bm25")
    lexical = scan_scores(layout.SCORES / "bm25" / "bm25").sort("query_id", "passage_id").collect()
    pairs = pairs_of(pl.scan_parquet(layout.TRIPLES / "bm25" / "triples.parquet"))
    assert lexical.drop("score").equals(pairs)
    assert (lexical["score"] >= 0).all()
    assert lexical["score"].n_unique() > 10
    # The candidates' own scores, of the same passages.
    candidates = pl.read_parquet(layout.CANDIDATES / "candidates.parquet")
    both = lexical.join(candidates, on=["query_id", "passage_id"])
    np.testing.assert_array_equal(both["score"], both["score_right"].cast(pl.Float32))
    assert len(both) > 60

    raw = np.random.default_rng(1).normal(1000, 200, len(pairs))
    with whole_directory(layout.SCORES / "bm25" / "T1", "distilrank score T1 bm25", {}, []) as draft:
        write_part(pairs.with_columns(score=pl.Series(raw)), draft.path, 0)
    ensemble(params, "T2", "bm25")
    expected = sum((one - one.mean()) / one.std(ddof=1) / 2 for one in (raw, lexical["score"].to_numpy().astype(float)))
    by_pair = dict(zip(pairs.rows(), expected, strict=True))
    rows = read_labels(layout.LABELS / "bm25" / "T2").rows(named=True)
    found = [row["positive_score"] for row in rows]
    assert found == pytest.approx([by_pair[row["query_id"], row["positive_id"]] for row in rows], abs=1e-4)


def test_labels_may_have_a_scale(project: Path, tiny_params: Params) -> None:
    """Ranks are from 0 to 1, and prefer the passages that the raw scores prefer."""
    scaled = with_bm25(tiny_params, labels={"scale": "rank", "most_negative_margins": 1.0})
    score_bm25(scaled, "bm25")
    ranks = read_labels(layout.LABELS / "bm25" / "bm25")
    score_bm25(with_bm25(tiny_params), "bm25")
    raw = read_labels(layout.LABELS / "bm25" / "bm25")
    signs = [(one["positive_score"] - one["negative_scores"].list.first()).sign() for one in (ranks, raw)]
    assert signs[0].equals(signs[1])
    assert ranks["positive_score"].is_between(0, 1).all()
    assert raw["positive_score"].max() > 1


def test_inverted_labels_are_refused_where_it_teaches_alone(project: Path, tiny_params: Params) -> None:
    strict = {"most_negative_margins": 0.0}
    score_bm25(with_bm25(tiny_params, labels=strict), "bm25")
    teaches = tiny_params.matrix.model_dump() | {"teachers": ["bm25"]}
    with pytest.raises(ScoreError, match=r"labels of bm25: got .* of margins negative"):
        score_bm25(with_bm25(tiny_params, labels=strict, matrix=teaches), "bm25")
