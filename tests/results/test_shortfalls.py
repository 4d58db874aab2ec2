"""Taught students that are worse than their control, their start, or BM25: who, than what, and why."""

import pytest

from distilrank.config.params import Params
from distilrank.results.shortfalls import shortfalls
from distilrank.training.history import History

# Of re-ranking by the one dense student of these params, and whoever it is compared with.
GOOD = {"bm25": 0.5, "T1": 0.8, "dot-start": 0.4, "dot": 0.6, "dot-T1": 0.7}
FLAT, FALLING = [1.0] * 10, [10.0 - step for step in range(10)]


@pytest.fixture
def params(tiny_params: Params) -> Params:
    values = tiny_params.model_dump()
    values |= {"ensembles": {}, "students": {"dot": values["students"]["dot"]}}
    values["teachers"] = {"T1": values["teachers"]["T1"]}
    values["matrix"] |= {"teachers": ["T1"], "controls": ["dot"]}
    return Params.model_validate(values)


def found(params: Params, losses: list[float] = FLAT, **changed: float) -> list[str]:
    scores = {name: {"nDCG@10": changed.get(name.replace("-", "_"), value)} for name, value in GOOD.items()}
    history = History([(step, loss) for step, loss in enumerate(losses)], {}, [], 0, {}, [], [])
    return [str(one) for one in shortfalls(params, {"rerank": scores}, {"dot-T1": history})]


def test_a_student_above_all_that_it_should_beat_is_not_named(params: Params) -> None:
    assert found(params) == []
    assert found(params, dot=0.7) == []
    # Both are shown as 0.700.
    assert found(params, dot=0.7004) == []


def test_it_is_named_with_all_that_are_better(params: Params) -> None:
    assert found(params, dot_T1=0.55) == [
        "Re-ranking BM25's candidates: dot-T1 (0.550) is worse than its control dot (0.600). "
        "See docs/troubleshooting.md"
    ]
    [line] = found(params, dot_T1=0.3)
    assert (
        "its control dot (0.600), what it starts from, dot-start (0.400), what found its candidates, bm25 (0.500)"
        in line
    )


def test_a_teacher_that_is_no_better_is_a_likely_cause(params: Params) -> None:
    [line] = found(params, dot_T1=0.55, T1=0.6)
    assert "Likely: its teacher T1 (0.600) is no better than the control, so train the teacher longer." in line
    [line] = found(params, dot_T1=0.45, T1=0.5)
    assert "its teacher T1 (0.500) is no better than bm25." in line


def test_a_loss_that_was_still_falling_is_a_likely_cause(params: Params) -> None:
    [line] = found(params, FALLING, dot_T1=0.55)
    assert "Likely: its loss was still falling when its training ended, so give it more steps." in line


def test_every_task_is_looked_at_and_what_was_not_measured_is_not_compared(params: Params) -> None:
    searching = {name: {"nDCG@10": value} for name, value in (("bm25", 0.5), ("dot", 0.6), ("dot-T1", 0.4))}
    reranking = {name: {"nDCG@10": value} for name, value in GOOD.items()}
    [one] = shortfalls(params, {"rerank": reranking, "retrieve": searching}, {})
    assert one.title == "Searching the whole collection"
    assert one.below == {"its control": ("dot", 0.6), "what found its candidates,": ("bm25", 0.5)}
