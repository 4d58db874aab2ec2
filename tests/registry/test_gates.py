"""What each gate lets through."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from distilrank.config.params import Params
from distilrank.registry.clean_process import Answered, is_quick_enough, loads, made_up_requests, not_tried
from distilrank.registry.gates import Comparison, Gate, compared, is_no_worse, reaches_floors
from distilrank.registry.packaged import holds_no_pickle, is_small_enough
from distilrank.sections.measuring import NoWorse, Promotion

RULE = NoWorse(task="rerank", measure="nDCG@10", margin=0.05, p_value=0.05)
MEANS = {
    "rerank": {
        "bm25": {"nDCG@10": 0.48}, "dot": {"nDCG@10": 0.49}, "dot-T1": {"nDCG@10": 0.5}, "tk-T1": {"nDCG@10": 0.5},
    },
    "retrieve": {"bm25": {"RR@10": 0.3}, "dot": {"RR@10": 0.2}, "dot-T1": {"RR@10": 0.25}},
}  # fmt: skip


def promotion(**given: Any) -> Promotion:
    wide = {"floors": {"rerank": {"nDCG@10": 0.5}}, "no_worse": RULE, "milliseconds": 5.0, "megabytes": 0.002}
    return Promotion.model_validate(wide | given)


def measures(values: list[float], first_query: int = 0) -> pl.DataFrame:
    ids = [str(first_query + number) for number in range(len(values))]
    return pl.DataFrame({"query_id": ids, "task": "rerank", "measure": "nDCG@10", "value": values})


def no_worse(challenger: pl.DataFrame, *champions: pl.DataFrame, because: str | None = None) -> Gate:
    comparisons = [compared(challenger, champion, 1, RULE) for champion in champions]
    return is_no_worse(comparisons, RULE, because)


@pytest.mark.parametrize(
    ("model", "floors", "why"),
    [
        ("dot-T1", {"rerank": {"nDCG@10": 0.5}}, ""),
        ("dot-T1", {"rerank": {"nDCG@10": 0.51}}, "rerank nDCG@10 is 0.5000, below 0.51"),
        ("dot-T1", {"rerank": {"nDCG@10": ["bm25", "bm25 + .02", "bm25 - 0.5", "control"]}}, ""),
        ("dot-T1", {"rerank": {"nDCG@10": "bm25 + .03"}}, "rerank nDCG@10 is 0.5000, below bm25 + .03 (0.5100)"),
        (
            "dot-T1",
            {"rerank": {"nDCG@10": "control + 0.02"}},
            "rerank nDCG@10 is 0.5000, below control + 0.02 (0.5100)",
        ),
        ("dot-T1", {"rerank": {"RR@10": 0.1}}, "rerank RR@10 is not measured, below 0.1"),
        ("dot-T1", {"retrieve": {"RR@10": ["control", "bm25"]}}, "retrieve RR@10 is 0.2500, below bm25 (0.3000)"),
        # No index to search, and no control.
        ("tk-T1", {"rerank": {"nDCG@10": ["bm25", "control"]}, "retrieve": {"RR@10": "bm25"}}, ""),
    ],
)
def test_floors(tiny_params: Params, model: str, floors: dict[str, Any], why: str) -> None:
    params = tiny_params.model_copy(update={"promotion": promotion(floors=floors)})
    gate = reaches_floors(params, model, MEANS, has_index=model != "tk-T1")
    assert gate.passed == (not why)
    assert why in gate.why


def test_latency() -> None:
    times = {"rerank": {"single": {"median": 5.0}, "concurrent": {"median": 9.0}}}
    answered = Answered({}, milliseconds=times, machine="a machine")
    assert is_quick_enough(answered, promotion()).passed
    refusal = is_quick_enough(answered, promotion(milliseconds=4.9))
    assert not refusal.passed
    assert refusal.why == "rerank 5.0 ms (9.0 among others); 4.9 ms allowed; on a machine"
    assert not is_quick_enough(not_tried(), promotion()).passed


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        ({"scores": [1.0, 2.0], "hits": None}, True),
        ({"scores": [1.0], "hits": None}, False),
        ({"scores": [1.0, float("nan")], "hits": None}, False),
        ({"scores": None, "hits": [{"passage_id": "a", "score": 1.0}]}, False),
    ],
)
def test_an_answer_has_a_finite_score_for_each_passage(answer: dict[str, Any], sound: bool) -> None:
    assert loads(Answered(made_up_requests(with_index=False), answers={"rerank": [answer]})).passed == sound


@pytest.mark.parametrize(("hits", "sound"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_search_finds_some_passages_and_no_more_than_asked_for(hits: int, sound: bool) -> None:
    answers = {"rerank": [{"scores": [1.0, 2.0], "hits": None}]}
    answers["retrieve"] = [{"scores": None, "hits": [{"passage_id": "a", "score": 1.0}] * hits}]
    assert loads(Answered(made_up_requests(with_index=True), answers=answers)).passed == sound


def test_size(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "index.faiss").write_bytes(b"0" * 2000)
    assert is_small_enough(tmp_path, promotion()).passed
    (tmp_path / "config.json").write_bytes(b"0")
    assert not is_small_enough(tmp_path, promotion()).passed


def test_what_may_run_when_it_is_read(tmp_path: Path) -> None:
    def gate(name: str, content: bytes) -> Gate:
        (tmp_path / name).write_bytes(content)
        decision = holds_no_pickle(tmp_path)
        (tmp_path / name).unlink()
        return decision

    assert not holds_no_pickle(tmp_path).passed
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert gate("config.json", b"{}").passed
    assert gate("MLmodel", b"flavors:").passed
    np.save(tmp_path / "numbers.npy", np.ones(3))
    assert holds_no_pickle(tmp_path).passed
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    assert gate("other.npy", (tmp_path / "objects.npy").read_bytes()).figures["refused"] == ["objects.npy", "other.npy"]
    (tmp_path / "objects.npy").unlink()
    assert gate("served_ranker.py", b"import mlflow").passed
    assert not gate("other.py", b"import mlflow").passed
    assert not gate("model.bin", b"weights").passed
    assert not gate("python_model.pkl", b"weights").passed
    assert gate("notes.json", b"\x80\x04}").figures["refused"] == ["notes.json"]
    assert gate("more.safetensors", b"PK\x03\x04").figures["refused"] == ["more.safetensors"]


def test_no_worse_is_asked_of_the_same_queries() -> None:
    champion = measures([0.4, 0.6, 0.5, 0.7])
    good = measures([0.41, 0.6, 0.5, 0.7])
    assert no_worse(good, champion).passed
    assert no_worse(good).why == "there is no champion yet"
    assert not no_worse(measures([0.3, 0.51, 0.4, 0.6]), champion).passed
    assert not no_worse(good, champion, measures([0.9, 0.9, 0.9, 0.9])).passed
    for other in (measures([0.1, 0.1, 0.1]), measures([0.1, 0.1, 0.1, 0.1], first_query=1)):
        refused = no_worse(good, other)
        assert not refused.passed
        assert "rerank nDCG@10 of version 1 is not there for the same queries" in refused.why
        assert no_worse(good, other, because="its queries are lost").passed
    # A reason does not make a loss good.
    assert not no_worse(measures([0.3, 0.5, 0.4, 0.6]), champion, because="in haste").passed


def test_a_gain_is_more_than_chance() -> None:
    champion = measures([0.4, 0.6, 0.5, 0.7, 0.5])
    better, chance = measures([0.5, 0.71, 0.6, 0.79, 0.6]), measures([0.9, 0.3, 0.5, 0.9, 0.4])
    gains = [compared(other, champion, 1, RULE) for other in (better, chance, champion)]
    assert [isinstance(one, Comparison) and one.is_a_gain for one in gains] == [True, False, False]
