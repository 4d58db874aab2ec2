"""What each gate lets through."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from distilrank.measuring_sections import NoWorse, Promotion
from distilrank.registry.clean_process import Answered, is_quick_enough, loads, made_up_requests, not_tried
from distilrank.registry.gates import Gate, holds_no_pickle, is_no_worse, is_small_enough, reaches_floors

TAGS = {"rerank/nDCG_at_10": "0.5"}
RULE = NoWorse(task="rerank", measure="nDCG@10", margin=0.05, p_value=0.05)


def promotion(**given: Any) -> Promotion:
    wide = {"floors": {"rerank": {"nDCG@10": 0.5}}, "no_worse": RULE, "milliseconds": 5.0, "megabytes": 0.002}
    return Promotion.model_validate(wide | given)


def measures(values: list[float], first_query: int = 0) -> pl.DataFrame:
    ids = [str(first_query + number) for number in range(len(values))]
    return pl.DataFrame({"query_id": ids, "task": "rerank", "measure": "nDCG@10", "value": values})


@pytest.mark.parametrize(
    ("floors", "why"),
    [
        ({"rerank": {"nDCG@10": 0.5}}, ""),
        ({"rerank": {"nDCG@10": 0.51}}, "rerank nDCG@10 is 0.5, below 0.51"),
        ({"retrieve": {"MRR@10": 0.1}}, "retrieve MRR@10 is None, below 0.1"),
    ],
)
def test_floors(floors: dict[str, Any], why: str) -> None:
    gate = reaches_floors(TAGS, promotion(floors=floors))
    assert gate.passed == (not why)
    assert why in gate.why


def test_latency() -> None:
    times = {"rerank": {"single": {"median": 5.0}, "concurrent": {"median": 9.0}}}
    answered = Answered({}, milliseconds=times, machine="a machine")
    assert is_quick_enough(answered, promotion()).passed
    refusal = is_quick_enough(answered, promotion(milliseconds=4.9))
    assert not refusal.passed
    assert refusal.why == "rerank 5.0 ms (9.0 among others); 4.9 ms allowed to rerank; on a machine"
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
    assert gate("served_ranker.py", b"import mlflow").passed
    assert not gate("other.py", b"import mlflow").passed
    assert not gate("model.bin", b"weights").passed
    assert not gate("python_model.pkl", b"weights").passed
    assert gate("notes.json", b"\x80\x04}").figures["refused"] == ["notes.json"]
    assert gate("more.safetensors", b"PK\x03\x04").figures["refused"] == ["more.safetensors"]


def test_no_worse_is_asked_of_the_same_queries() -> None:
    champion = measures([0.4, 0.6, 0.5, 0.7])
    assert is_no_worse(measures([0.41, 0.6, 0.5, 0.7]), champion, RULE, first=False).passed
    assert not is_no_worse(measures([0.3, 0.51, 0.4, 0.6]), champion, RULE, first=False).passed
    for other in (measures([0.9, 0.9, 0.9]), measures([0.9, 0.9, 0.9, 0.9], first_query=1), None):
        assert not is_no_worse(other, champion, RULE, first=False).passed
    assert not is_no_worse(champion, None, RULE, first=False).passed
    assert is_no_worse(champion, None, RULE, first=True).passed
