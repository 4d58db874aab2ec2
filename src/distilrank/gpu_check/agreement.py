"""Compares scores and gradients on the device with the CPU's in float32, for any batch, padding and store."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from distilrank.data.ragged import StoredTexts
from distilrank.gpu_check.bench import Bench, Differs
from distilrank.gpu_check.shapes import MINILM, TINY, random_ranker, random_texts
from distilrank.rankers.base import Encoded, Ranker, TokenBatch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.params import RankerParams
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision

GROUP = "agreement"


@dataclass(frozen=True)
class Tolerance:
    """Allowed differences: of scores, as a share of 1 + their size; of a parameter's gradient, as a share of its
    norm."""

    scores: float
    gradients: float


TOLERANCES: dict[Precision, Tolerance] = {
    "float32": Tolerance(1e-4, 1e-4),
    "tf32": Tolerance(1e-2, 2e-2),
    "bfloat16": Tolerance(5e-2, 2e-1),
}
# PreTTR rounds what it stores of a passage to 16 bits, which may go up on one device and down on the other.
STORED_IN_HALF = 1e-3
# If rounding moves a maximum to another token, a gradient changes by more than rounding. SPLADE takes a maximum per
# passage and word, and some of them nearly tie, in float32 as well.
GRADIENTS_OF_MAXIMA: dict[Precision, float] = {"float32": 5e-3, "tf32": 0.15, "bfloat16": 0.5}
_PAIRS = 12


def check(bench: Bench) -> None:
    shape = MINILM if bench.on_card else TINY
    texts = random_texts(shape, _PAIRS, _PAIRS, shortest=0.2)
    for name, params in shape.rankers().items():
        reference = scores_and_gradients(random_ranker(shape, params), texts, "float32")
        ranker = random_ranker(shape, params).on(bench.device)
        checks = {
            "no score depends on its batch, its padding or the order": partial(compare_batches, ranker, texts, params),
            "stored passages score as fresh ones do": partial(compare_stored, ranker, texts),
            "saved and loaded, it gives the same scores": partial(compare_loaded, bench, ranker, texts),
        }
        for what, check in checks.items():
            bench.check(GROUP, f"{name}: {what}", check)
        for precision in bench.precisions:
            what = f"{name}, {precision}: scores and gradients are the processor's"
            bench.check(GROUP, what, partial(compare, ranker, texts, precision, reference))


def compare(
    ranker: Ranker, texts: StoredTexts, precision: Precision, reference: tuple[Tensor, dict[str, Tensor]]
) -> str:
    """How far a ranker is from the reference's scores and gradients. Raises Differs if that is too far."""
    allowed = _allowed(ranker, precision)
    scores, gradients = scores_and_gradients(ranker, texts, precision)
    if scores.dtype != torch.float32:
        raise Differs(f"scores are {scores.dtype}, not float32")
    score = _apart(scores, reference[0])
    whole = torch.cat([one.flatten() for one in reference[1].values()]).norm()
    # The norm of all gradients counts in the divisor too: a small gradient, such as the keys' bias's, is mere noise.
    shares = {
        name: float((gradients[name] - one).norm() / (one.norm() + 0.01 * whole)) for name, one in reference[1].items()
    }
    worst = max(shares, key=lambda name: shares[name])
    if not (score <= allowed.scores and shares[worst] <= allowed.gradients):
        raise Differs(
            f"scores {score:.1e} apart ({allowed.scores:.0e} allowed), gradient of {worst} {shares[worst]:.1e} "
            f"({allowed.gradients:.0e} allowed)"
        )
    return f"scores within {score:.1e}, gradients within {shares[worst]:.1e}"


def scores_and_gradients(ranker: Ranker, texts: StoredTexts, precision: Precision) -> tuple[Tensor, dict[str, Tensor]]:
    """Scores, and the gradient of each parameter for a fixed mixture of them, in the CPU's memory.

    Scores (2 * pairs,) are those of training, then those of scoring, which may be computed in another way.
    """
    device = ranker.device
    queries, passages = _batch(texts, device)
    ranker.zero_grad()
    with float32_products(precision, device):
        with autocast(precision, device):
            trained = ranker.train().score(queries, passages)
        (trained * torch.linspace(-1, 1, len(trained), device=device)).sum().backward()
        ranker.train(False)
        with autocast(precision, device), torch.inference_mode():
            scored = ranker.score(queries, passages)
    scores = torch.cat([trained.detach(), scored])
    gradients = {name: one.grad.float().cpu() for name, one in ranker.named_parameters() if one.grad is not None}
    return scores.cpu(), gradients


def _allowed(ranker: Ranker, precision: Precision) -> Tolerance:
    """The tolerance, which is wider where rounding changes more than a number: PreTTR's store, and the place of a
    maximum."""
    allowed = TOLERANCES[precision]
    if ranker.params.stored_in_half:
        return Tolerance(max(allowed.scores, STORED_IN_HALF), allowed.gradients)
    if ranker.params.takes_maxima:
        return Tolerance(allowed.scores, GRADIENTS_OF_MAXIMA[precision])
    return allowed


@torch.inference_mode()
def compare_batches(ranker: Ranker, texts: StoredTexts, params: RankerParams) -> str:
    queries, passages = _batch(texts, ranker.device)
    together = ranker.score(queries, passages)
    alone = torch.cat([ranker.score(_row(queries, row), _row(passages, row)) for row in range(len(together))])
    backwards = ranker.score(
        TokenBatch(*(one.flip(0) for one in queries)), TokenBatch(*(one.flip(0) for one in passages))
    )
    wider = ranker.score(_widened(queries, 3), _widened(passages, 5))
    apart = max(_apart(other, together) for other in (alone, backwards.flip(0), wider))
    spread = float(together.std())
    allowed = STORED_IN_HALF if params.stored_in_half else TOLERANCES["float32"].scores
    if not apart <= allowed:
        raise Differs(f"scores {apart:.1e} apart, {allowed:.0e} allowed")
    if not spread > 50 * allowed:
        raise Differs(f"scores so alike, {spread:.1e}, that nothing was shown")
    return f"scores within {apart:.1e}"


@torch.inference_mode()
def compare_stored(ranker: Ranker, texts: StoredTexts) -> str:
    """Compares passages that were stored from a batch of another width, and brought back from the CPU's memory."""
    queries, passages = _batch(texts, ranker.device)
    encoded = ranker.encode_passages(_widened(passages, 5))
    stored = Encoded(encoded.values.cpu().to(ranker.device), encoded.mask.cpu().to(ranker.device))
    allowed = STORED_IN_HALF if encoded.values.dtype == torch.float16 else TOLERANCES["float32"].scores
    return _same(ranker.interact(ranker.encode_queries(queries), stored), ranker.score(queries, passages), allowed)


@torch.inference_mode()
def compare_loaded(bench: Bench, ranker: Ranker, texts: StoredTexts) -> str:
    directory = bench.scratch / "saved"
    ranker.save_pretrained(directory)
    queries, passages = _batch(texts, ranker.device)
    loaded = load_ranker(directory)
    if loaded.device.type != bench.device_type:
        raise Differs(f"it was loaded on {loaded.device}")
    return _same(loaded.score(queries, passages), ranker.score(queries, passages), 1e-5)


def _same(scores: Tensor, expected: Tensor, allowed: float) -> str:
    if not (apart := _apart(scores, expected)) <= allowed:
        raise Differs(f"scores {apart:.1e} apart, {allowed:.0e} allowed")
    return f"scores within {apart:.1e}"


def _apart(scores: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of 1 + the size of the expected score. NaN where a score is NaN."""
    return float(((scores - expected).abs() / (1 + expected.abs())).max())


def _batch(texts: StoredTexts, device: torch.device) -> tuple[TokenBatch, TokenBatch]:
    """A batch in which pair i is query i and passage i."""
    queries, passages = (
        stored_batch(one, np.arange(len(one)), texts.pad).to(device) for one in (texts.queries, texts.passages)
    )
    return queries, passages


def _row(batch: TokenBatch, number: int) -> TokenBatch:
    """One row by itself, without padding."""
    real = batch.mask[number]
    return TokenBatch(batch.ids[number, real].unsqueeze(0), real[real].unsqueeze(0))


def _widened(batch: TokenBatch, more: int) -> TokenBatch:
    return TokenBatch(*(torch.nn.functional.pad(one, (0, more)) for one in batch))
