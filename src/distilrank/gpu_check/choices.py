"""Checks that no value of DISTILRANK_ACCELERATION changes a score on this device, and measures what each gains."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from distilrank.gpu_check.agreement import TOLERANCES
from distilrank.gpu_check.bench import Bench, Differs, NotChecked
from distilrank.gpu_check.findings import Choice
from distilrank.gpu_check.meter import repeated_rate
from distilrank.gpu_check.shapes import MINILM, TINY, Shape, random_texts
from distilrank.gpu_check.speed import paired, saved_models
from distilrank.rankers.acceleration import VARIABLE
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.pair_scores import StoredPairs, pair_scores
from distilrank.rankers.token_budget import fastest_budget
from distilrank.sections.precision import Precision

GROUP, USUAL = "choices", "as usual"
Values = npt.NDArray[np.float32]
# The values that are measured for pairs of many lengths, and for one short query.
_OF_PAIRS = (
    "attention=eager",
    "attention=flash_attention_2",
    "attention=packed",
    "compile",
    "streams=2",
    "streams=4",
    "attention=packed,streams=2",
)
_OF_QUERIES = ("compile", "graphs")
_ON_CARDS_ALONE = ("compile", "graphs", "streams")


def check(bench: Bench) -> None:
    shape = MINILM if bench.on_card else TINY
    models = saved_models(shape, bench.scratch / "choices")
    texts = 4096 if bench.on_card else 32
    pairs = paired(random_texts(shape, texts, texts, shortest=0.1))
    for precision in ("float32", "bfloat16"):
        _check_pairs(bench, shape, models["cat"], pairs, precision)
    _check_budget(bench, models["cat"], pairs)
    _check_queries(bench, shape, models["dot"], pairs)


def _check_pairs(bench: Bench, shape: Shape, model: Path, pairs: StoredPairs, precision: Precision) -> None:
    """Scores pairs of many lengths, as collections have them."""
    comparison = Comparison(bench, "scoring", precision, "pairs", TOLERANCES[precision].scores)
    for way in ("", *_OF_PAIRS):
        made = partial(comparison.add, way, partial(_score, bench, model, pairs, precision))
        bench.check(GROUP, f"scoring {shape.name}, {precision}, {way or USUAL}", made)


def _check_queries(bench: Bench, shape: Shape, model: Path, pairs: StoredPairs) -> None:
    """Encodes one query at a time, as a server gets them."""
    comparison = Comparison(bench, "a query", "float32", "queries", TOLERANCES["float32"].scores)
    for way in ("", *_OF_QUERIES):
        made = partial(comparison.add, way, partial(_encode_one_by_one, bench, model, pairs))
        bench.check(GROUP, f"a query of {shape.name}, float32, {way or USUAL}", made)


@dataclass
class Comparison:
    """Compares several ways to do one thing with the first, which is the usual one."""

    bench: Bench
    task: str
    precision: Precision
    unit: str
    allowed: float
    usual: tuple[float, Values] | None = None

    def add(self, way: str, measure: Callable[[], tuple[float, Values]]) -> str:
        """Measures the rate and the values of a way, and reports the choice. Raises Differs, NotChecked."""
        _refuse_what_is_not_here(self.bench, way, self.precision)
        if way and self.usual is None:
            raise NotChecked("the usual way was not measured")
        with _accelerated(way):
            rate, values = measure()
        self.usual = self.usual or (rate, values)
        times = rate / self.usual[0]
        apart = float((np.abs(values - self.usual[1]) / (1 + np.abs(self.usual[1]))).max())
        if not apart <= self.allowed:
            raise Differs(f"{apart:.1e} apart from the usual way, {self.allowed:.0e} allowed")
        self.bench.tell(Choice(self.task, self.precision, way or USUAL, rate, self.unit, times, apart))
        return f"{times:.2f} times the usual rate, within {apart:.1e} of it"


def _check_budget(bench: Bench, model: Path, pairs: StoredPairs) -> None:
    """Compares the measured number of tokens per batch with the number that is used without a measurement."""
    precision: Precision = "bfloat16" if bench.on_card else "float32"

    def compared() -> str:
        ranker = load_ranker(model)

        def rate(budget: int) -> float:
            # Enough to fill several batches, and no more, since small batches take a card long.
            some = pairs.between(0, max(128, budget // 16))
            return repeated_rate(bench, lambda: pair_scores(ranker, some, precision, budget).tokens)

        usual = tokens_per_batch(ranker.device)
        best = fastest_budget(rate, usual)
        measured = rate(best)
        times = measured / rate(usual)
        way = f"batches of {best:,} tokens"
        bench.tell(Choice("scoring", precision, way, measured, "tokens", times, 0.0))
        return f"{best:,} tokens: {times:.2f} times the usual rate"

    bench.check(GROUP, f"scoring, {precision}, batches found by measurement", compared)


def _score(bench: Bench, model: Path, pairs: StoredPairs, precision: Precision) -> tuple[float, Values]:
    ranker = load_ranker(model)
    scores = pair_scores(ranker, pairs, precision).scores
    return repeated_rate(bench, lambda: len(pair_scores(ranker, pairs, precision).scores)), scores


@torch.inference_mode()
def _encode_one_by_one(bench: Bench, model: Path, pairs: StoredPairs) -> tuple[float, Values]:
    ranker = load_ranker(model)
    queries = pairs.texts.queries
    rows = range(min(32, len(queries)))
    batches = [stored_batch(queries, np.array([row]), pairs.texts.pad).to(bench.device) for row in rows]

    def encode() -> list[Values]:
        return [ranker.encode_queries(batch).values.flatten().cpu().numpy() for batch in batches]

    return repeated_rate(bench, lambda: len(encode())), np.stack(encode())


def _refuse_what_is_not_here(bench: Bench, way: str, precision: Precision) -> None:
    if not bench.on_card and any(name in way for name in _ON_CARDS_ALONE):
        raise NotChecked("it is for cards")
    if "flash_attention_2" in way and find_spec("flash_attn") is None:
        raise NotChecked("flash-attn is not installed")
    if bench.on_card and precision != "bfloat16" and ("packed" in way or "flash" in way):
        raise NotChecked("its kernel takes 16 bits alone")
    if "compile" in way and not (find_spec("triton") and any(map(shutil.which, ("cc", "gcc", "clang")))):
        raise NotChecked("torch.compile needs triton and a C compiler")


@contextmanager
def _accelerated(way: str) -> Iterator[None]:
    os.environ[VARIABLE] = way
    try:
        yield
    finally:
        del os.environ[VARIABLE]
