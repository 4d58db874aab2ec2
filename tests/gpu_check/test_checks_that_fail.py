"""The GPU check finds what is wrong: a weight, a curve, a process that is lost."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from tests.gpu_check import crashing

from distilrank.gpu_check.agreement import TOLERANCES, compare, compare_batches, scores_and_gradients
from distilrank.gpu_check.apart import Lost, told_apart
from distilrank.gpu_check.bench import Bench, Differs, NotChecked
from distilrank.gpu_check.findings import Finding, Outcome
from distilrank.gpu_check.shapes import MINILM, TINY, random_ranker, random_texts
from distilrank.gpu_check.tables import markdown
from distilrank.gpu_check.trainings import fallen, same_curve
from distilrank.sections.precision import Precision

TEXTS = random_texts(TINY, 12, 12, shortest=0.2)
RANKERS = TINY.rankers()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_that_computes_something_else_is_found(name: str, precision: Precision) -> None:
    params = RANKERS[name]
    reference = scores_and_gradients(random_ranker(TINY, params), TEXTS, "float32")
    compare(random_ranker(TINY, params), TEXTS, precision, reference)
    other = random_ranker(TINY, params)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(
                torch.randn_like(weight), alpha=4 * TOLERANCES[precision].gradients * float(weight.abs().mean())
            )
    with pytest.raises(Differs, match=r"scores \d\.\de[-+]\d+ apart .* gradient of "):
        compare(other, TEXTS, precision, reference)


def test_a_ranker_whose_scores_depend_on_padding_is_found() -> None:
    ranker = random_ranker(TINY, RANKERS["dot, mean"])
    framed = ranker.framed

    def unmasked(*segments: object, **how: object) -> object:
        ids, mask, numbers = framed(*segments, **how)
        return ids, torch.ones_like(mask), numbers

    ranker.framed = unmasked
    with pytest.raises(Differs, match=r"scores .* apart"):
        compare_batches(ranker, TEXTS, RANKERS["dot, mean"])


def test_scores_that_are_not_numbers_are_found() -> None:
    ranker = random_ranker(TINY, RANKERS["cat, [CLS]"])
    reference = scores_and_gradients(ranker, TEXTS, "float32")
    torch.nn.init.constant_(ranker.get_submodule("head").get_parameter("weight"), torch.nan)
    with pytest.raises(Differs):
        compare(ranker, TEXTS, "bfloat16", reference)


def test_a_loss_that_does_not_fall_and_curves_apart_are_found() -> None:
    assert fallen([3.0, 2.0, 1.0]) == "loss from 3 to 1"
    for curve in ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, float("nan"), float("nan")]):
        with pytest.raises(Differs, match="loss from 1 to"):
            fallen(curve)
    assert "1.0e-02" in same_curve([1.0, 0.51], [1.0, 0.5], "that")
    with pytest.raises(Differs, match=r"losses 3\.0e-02 of the first from those of that"):
        same_curve([1.0, 0.53], [1.0, 0.5], "that")
    with pytest.raises(Differs, match="2 losses where those of that are 3"):
        same_curve([1.0, 0.5], [1.0, 0.5, 0.4], "that")


@pytest.mark.parametrize(
    ("error", "verdict", "detail"),
    [
        (Differs("by far"), "failed", "by far"),
        (NotChecked("it is not here"), "not checked", "it is not here"),
        (RuntimeError("CUDA error\nand more"), "failed", "RuntimeError: CUDA error"),
        (torch.OutOfMemoryError(""), "failed", "OutOfMemoryError: "),
    ],
)
def test_one_check_that_fails_hides_no_other(error: Exception, verdict: str, detail: str, tmp_path: Path) -> None:
    told: list[Finding] = []
    bench = Bench("cpu", tmp_path, time.monotonic() + 60, told.append)

    def fails() -> str:
        raise error

    bench.check("group", "first", fails)
    bench.check("group", "second", lambda: "well")
    outcomes = [(one.verdict, one.detail) for one in told if isinstance(one, Outcome)]
    assert outcomes == [(verdict, detail), ("passed", "well")]


def test_no_check_begins_when_the_time_is_over(tmp_path: Path) -> None:
    told: list[Finding] = []
    begun: list[str] = []

    def begins() -> str:
        begun.append("late")
        return "well"

    Bench("cpu", tmp_path, time.monotonic() - 1, told.append).check("group", "late", begins)
    assert begun == []
    assert [(one.verdict, one.detail) for one in told if isinstance(one, Outcome)] == [
        ("failed", "no time was left for it")
    ]


def test_what_a_process_tells_comes_as_it_is_told_and_its_output_goes_to_the_log(tmp_path: Path) -> None:
    told = told_apart(crashing.tells, (1, 2, 3), tmp_path / "log", time.monotonic() + 60, "spawn")
    assert list(told) == [1, 2, 3]
    assert (tmp_path / "log").read_text() == "said in the process\n"


@pytest.mark.parametrize(("function", "how"), [(crashing.crashes, "-11"), (crashing.raises, "1")])
def test_a_process_that_is_lost_is_told_of(function: Callable[..., None], how: str, tmp_path: Path) -> None:
    told = told_apart(function, (), tmp_path / "log", time.monotonic() + 60, "spawn")
    assert next(told) == "before"
    with pytest.raises(Lost, match=f"exit code {how}$"):
        next(told)


def test_a_process_that_hangs_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    told = told_apart(crashing.hangs, (place,), tmp_path / "log", time.monotonic() + 15, "spawn")
    assert next(told) == "before"
    with pytest.raises(Lost, match="its time was over"):
        next(told)
    child = int(place.read_text())
    # A killed process lives until the kernel has taken it down.
    until = time.monotonic() + 30
    while alive(child):
        assert time.monotonic() < until
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_shapes_are_those_of_the_models() -> None:
    """MiniLM-L6 has 22.7 million parameters, as its model card says."""
    ranker = random_ranker(MINILM, MINILM.rankers()["cat, pooler"])
    assert ranker.num_parameters() == pytest.approx(22.7e6, rel=0.01)


def test_a_cell_of_the_markdown_table_stays_one_cell() -> None:
    from distilrank.gpu_check.findings import Findings

    findings = Findings({"date": "today", "versions": {}})
    findings.add(Outcome("group", "a | b", "passed", "", 0.0))
    assert "| group | a \\| b | passed |  | 0.0 s |" in markdown(findings)
