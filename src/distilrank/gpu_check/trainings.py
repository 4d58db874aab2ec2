"""Trains on the device: losses must fall, and equal the CPU's in float32. A killed training must continue where it
was."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from distilrank.data.ragged import TripleRows
from distilrank.gpu_check.apart import Lost, Tell, told_apart
from distilrank.gpu_check.bench import Bench, Differs
from distilrank.gpu_check.shapes import Shape, random_ranker, random_texts
from distilrank.losses import MarginMSE
from distilrank.rankers.params import RankerParams
from distilrank.sections.precision import Precision
from distilrank.sections.training import Training
from distilrank.training.batches import TripleDataset
from distilrank.training.train import train
from distilrank.training.trainer import Observer, TrainingTask

GROUP = "training"
_TRIPLES = 32
_PARAMS = Training(
    steps=18, batch_size=8, learning_rate=1e-3, warmup_share=0.1, validate_every=6, patience=None, seed=1
)  # fmt: skip
# How far two curves of losses may be apart, as a share of the first loss, since rounding grows from step to step.
_CURVES = 0.02
# TK cuts the logarithms of its kernels at 1e-10, so rounding can decide whether one has a gradient. From about this
# step on, its curves differ, even between two numbers of CPU threads.
_STEPS_OF_TK = 6
_KILLED_AT = 8
# A float16 training skips some ten steps until it has found the scale of its loss.
_STEPS_IN_FLOAT16 = 42
Curve = list[float]


def check(bench: Bench) -> None:
    shape = bench.trained_shape
    named = {name: params for name, params in shape.rankers().items() if "pooler" not in name and "[CLS]" not in name}
    named = {"cat": shape.rankers()["cat, [CLS]"]} | named
    # First what is done in other processes: once this process has used the card, none can be forked from it.
    expected = _curves_of_the_processor(bench, shape, named)
    halves = _kill(bench, shape, named["cat"])
    # A CPU does not train in float16.
    precisions: tuple[Precision, ...] = (*bench.precisions, "float16") if bench.on_card else bench.precisions
    for name, params in named.items():
        for precision in precisions:
            work = bench.scratch / f"{name}-{precision}"
            known = expected.get(name, []) if precision == "float32" else None
            what = "falls as the processor's does" if precision == "float32" else "falls"
            bench.check(
                GROUP, f"{name}, {precision}: the loss {what}", partial(_learn, shape, params, precision, work, known)
            )
    cached = partial(_learn, shape, named["cat"], "float32", bench.scratch / "cached", expected.get("cat", []), True)
    bench.check(GROUP, "cat, float32: with a gradient cache the loss falls as the processor's does", cached)
    resume = partial(_resume, shape, named["cat"], halves, bench.scratch / "whole")
    bench.check(GROUP, "cat, float32: killed, it goes on where it was", resume)


def _learn(
    shape: Shape, params: RankerParams, precision: Precision, work: Path, known: Curve | None, cache: bool = False
) -> str:
    curve = _train(shape, params, precision, work, cache=cache)
    told = fallen(curve)
    if known is None:
        return told
    compared = _STEPS_OF_TK if params.architecture == "tk" else len(curve)
    return f"{told}; {same_curve(curve[:compared], known[:compared], 'the processor')}"


def _resume(shape: Shape, params: RankerParams, killed: Path, work: Path) -> str:
    steps: list[int] = []
    resumed = _train(shape, params, "float32", killed, lambda step, _: steps.append(step))
    if min(steps) <= _PARAMS.validate_every:
        raise Differs(f"it began again at step {min(steps)}")
    whole = _train(shape, params, "float32", work)
    return f"from step {min(steps)} on; {same_curve(resumed, whole, 'a training without a kill')}"


def _train(
    shape: Shape,
    params: RankerParams,
    precision: Precision,
    work: Path,
    observe: Callable[[int, Mapping[str, float]], None] = lambda *_: None,
    cache: bool = False,
) -> Curve:
    """Trains, and returns the loss of each step."""
    _, history = train(_task(shape, params, precision, cache), work, observe)
    return [loss for _, loss in history.loss]


def _task(shape: Shape, params: RankerParams, precision: Precision, cache: bool = False) -> TrainingTask:
    """A training that learns random margins by heart."""
    texts = random_texts(shape, _TRIPLES, 2 * _TRIPLES, shortest=0.3)
    passages = np.arange(2 * _TRIPLES).reshape(_TRIPLES, 2)
    teacher = np.random.default_rng(1).normal(size=passages.shape).astype(np.float32)
    triples = TripleDataset(TripleRows(np.arange(_TRIPLES), passages), texts, teacher)
    steps = _STEPS_IN_FLOAT16 if precision == "float16" else _PARAMS.steps
    training = _PARAMS.model_copy(update={"precision": precision, "gradient_cache": cache, "steps": steps})
    seen: list[int] = []

    def validate(*_: object) -> dict[str, float]:
        """Better each time, so that the last weights are the best."""
        seen.append(1)
        return {"rerank": len(seen) / 100}

    return TrainingTask(lambda: random_ranker(shape, params), training, MarginMSE(), triples, validate)


def _curves_of_the_processor(bench: Bench, shape: Shape, named: Mapping[str, RankerParams]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    try:
        told = told_apart(
            _train_on_the_processor, (shape, named, bench.scratch), bench.scratch / "log", bench.deadline, "fork"
        )
        curves.update(told)
    except Lost as error:
        # Without these curves, the checks that need them fail.
        print(f"trainings on the processor: {error}")
    return curves


def _train_on_the_processor(tell: Tell, shape: Shape, named: Mapping[str, RankerParams], scratch: Path) -> None:
    os.environ["DISTILRANK_DEVICE"] = "cpu"
    for name, params in named.items():
        tell((name, _train(shape, params, "float32", scratch / f"{name}-processor")))


def _kill(bench: Bench, shape: Shape, params: RankerParams) -> Path:
    """The work directory of a training that was killed by SIGKILL some steps after its first checkpoint."""
    work = bench.scratch / "killed"
    try:
        for step in told_apart(_train_and_tell, (shape, params, work), bench.scratch / "log", bench.deadline, "fork"):
            if step == _KILLED_AT:
                break  # which kills it
    except Lost as error:
        # Continuing from it then fails, as it should.
        print(f"the training that was to be killed: {error}")
    return work


def _train_and_tell(tell: Tell, shape: Shape, params: RankerParams, work: Path) -> None:
    def observe(step: int, _: Mapping[str, float]) -> None:
        tell(step)
        parent = os.getppid()
        while step == _KILLED_AT and os.getppid() == parent:
            time.sleep(0.2)

    observer: Observer = observe
    train(_task(shape, params, "float32"), work, observer)


def fallen(curve: Curve) -> str:
    third = len(curve) // 3
    first, last = float(np.mean(curve[:third])), float(np.mean(curve[-third:]))
    if not last < 0.9 * first:
        raise Differs(f"loss from {first:.3g} to {last:.3g}")
    return f"loss from {first:.3g} to {last:.3g}"


def same_curve(curve: Curve, expected: Curve, whose: str) -> str:
    if len(curve) != len(expected):
        raise Differs(f"{len(curve)} losses where those of {whose} are {len(expected)}")
    differences = torch.tensor(curve).sub(torch.tensor(expected)).abs() / expected[0]
    apart = float(differences.max())
    if not apart <= _CURVES:
        first = next(step for step, one in enumerate(differences.tolist(), 1) if not one <= _CURVES)
        raise Differs(
            f"losses {apart:.1e} of the first from those of {whose}, {_CURVES:.0e} allowed; first at step {first}: "
            f"{curve[first - 1]:.4g} and {expected[first - 1]:.4g}"
        )
    return f"losses within {apart:.1e} of those of {whose}"
