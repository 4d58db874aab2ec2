"""Makes the batches that rankers read, from stored tokens or fresh text."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import TokenBatch


def stored_batch(store: RaggedIds, rows: Rows, pad: int) -> TokenBatch:
    """The stored tokens of `rows`."""
    ids, mask = store.padded(rows, pad)
    return TokenBatch(torch.from_numpy(ids), torch.from_numpy(mask))


def text_batch(texts: Sequence[str], length: int, tokenizer: TextTokenizer, prefix: str = "") -> TokenBatch:
    """The first `length` tokens of each text, with the prefix before it."""
    tokens = ragged_ids(texts, length, tokenizer, prefix)
    return stored_batch(tokens, np.arange(len(texts)), tokenizer.special_tokens.pad)


def ragged_ids(texts: Sequence[str], length: int, tokenizer: TextTokenizer, prefix: str = "") -> RaggedIds:
    """The same, in the form of the token store."""
    rows = [np.asarray(row[:length], np.uint32) for row in tokenizer.ids(texts, prefix)]
    offsets: npt.NDArray[np.int64] = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return RaggedIds(np.concatenate([np.empty(0, np.uint32), *rows]), offsets)
