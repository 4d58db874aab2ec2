"""One vector per passage or query: what a dense ranker computes of each apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.errors import InputError
from distilrank.progress import Advance
from distilrank.rankers.base import Encoded, TokenBatch
from distilrank.rankers.encoded_texts import each_encoded
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
    vectors: Vectors | None = None
    for batch, some in each_encoded(encode, stored, rows, pad, device, one_vector, precision):
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
