"""One vector per passage or query: what a dense ranker computes of each apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.errors import InputError
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, TokenBatch
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch
from distilrank.rankers.precision import autocast, float32_products
from distilrank.sections.precision import Precision

Vectors = npt.NDArray[np.float32]
Encode = Callable[[TokenBatch], Encoded]


def encode_vectors(
    encode: Encode,
    stored: RaggedIds,
    rows: Rows,
    pad: int,
    device: torch.device,
    advance: Advance = lambda _: None,
    precision: Precision = "float32",
) -> Vectors:
    """Vectors (rows, width) in the order of `rows`. `encode` is a ranker's encode_queries or encode_passages.

    `precision` is that of the matrix products. The vectors are float32 in any case.
    """

    pinned = copies_pinned(device)

    def encoded(batch: Rows) -> Vectors:
        with autocast(precision, device):
            return one_vector(encode(stored_batch(stored, rows[batch], pad).to(device, pinned)))

    vectors: Vectors | None = None
    with float32_products(precision, device):
        for batch, some in each_batch(stored.lengths(rows) + SPECIAL_TOKENS, encoded, device):
            if vectors is None:
                vectors = np.empty((len(rows), some.shape[1]), np.float32)
            vectors[batch] = some
            advance(len(batch))
    return np.empty((0, 0), np.float32) if vectors is None else vectors


def one_vector(encoded: Encoded) -> Vectors:
    """Vectors (rows, width). Raises InputError if a row is encoded as anything but one vector."""
    if encoded.values.ndim != 3 or encoded.values.shape[1] != 1:
        raise InputError(
            "nearest-neighbour search",
            got=f"encodings of shape {tuple(encoded.values.shape)}",
            expected="one vector per text (rows, 1, width)",
            remedy="index a dense ranker, such as architecture: dot",
        )
    vectors: Vectors = encoded.values.squeeze(1).float().cpu().numpy()
    return vectors
