"""One vector a passage or query: what a dense ranker computes of each apart."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.ragged import RaggedIds, Rows, StoredTexts
from distilrank.errors import InputError
from distilrank.progress import Advance, progress
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.inference import copies_pinned, each_batch
from distilrank.rankers.inputs import stored_batch

Vectors = npt.NDArray[np.float32]
Encode = Callable[[TokenBatch], Encoded]


def encode_vectors(
    encode: Encode, stored: RaggedIds, rows: Rows, pad: int, device: torch.device, advance: Advance = lambda _: None
) -> Vectors:
    """Vectors (rows, width) in the order of `rows`; `encode` is a ranker's encode_queries or encode_passages."""

    pinned = copies_pinned(device)

    def encoded(batch: Rows) -> Vectors:
        return one_vector(encode(stored_batch(stored, rows[batch], pad).to(device, pinned)))

    vectors: Vectors | None = None
    for batch, some in each_batch(stored.lengths(rows) + SPECIAL_TOKENS, encoded, device):
        if vectors is None:
            vectors = np.empty((len(rows), some.shape[1]), np.float32)
        vectors[batch] = some
        advance(len(batch))
    return np.empty((0, 0), np.float32) if vectors is None else vectors


def passage_vectors(ranker: Ranker, texts: StoredTexts, whose: str) -> Vectors:
    """A dense ranker's vectors of all passages, in their order; `whose` they are is shown."""
    rows = np.arange(len(texts.passages))
    with progress(f"passages encoded by {whose}", len(rows)) as advance:
        return encode_vectors(ranker.encode_passages, texts.passages, rows, texts.pad, ranker.device, advance)


def one_vector(encoded: Encoded) -> Vectors:
    """Vectors (rows, width). Raises InputError where a row is encoded as anything but one vector."""
    if encoded.values.ndim != 3 or encoded.values.shape[1] != 1:
        raise InputError(
            "nearest-neighbour search",
            got=f"encodings of shape {tuple(encoded.values.shape)}",
            expected="one vector per text (rows, 1, width)",
            remedy="index a dense ranker, such as architecture: dot",
        )
    vectors: Vectors = encoded.values.squeeze(1).float().cpu().numpy()
    return vectors
