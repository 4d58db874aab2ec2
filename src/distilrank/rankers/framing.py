"""Joins texts and special tokens, with all padding at the end, so that a row reads the same in any batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from distilrank.rankers.base import TokenBatch

# Tokens, and the number of their segment.
Part = tuple[TokenBatch, int]


def joined(parts: Sequence[Part], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Joins the parts of each row: ids, mask, and segment numbers, each (rows, longest)."""
    ids = torch.cat([part.ids for part, _ in parts], 1)
    mask = torch.cat([part.mask for part, _ in parts], 1)
    widths = torch.tensor([part.ids.shape[1] for part, _ in parts], device=ids.device)
    numbers = torch.tensor([number for _, number in parts], device=ids.device)
    segments = torch.repeat_interleave(numbers, widths).expand_as(ids)
    order = padding_last(mask)
    mask = mask.gather(1, order)
    return ids.gather(1, order).masked_fill(~mask, pad), mask, segments.gather(1, order).masked_fill(~mask, 0)


def special(ids: Sequence[int], like: TokenBatch) -> TokenBatch:
    """The same special tokens for each row of the batch `like`."""
    rows = torch.tensor(ids, dtype=torch.int64, device=like.ids.device).expand(len(like.ids), -1)
    return TokenBatch(rows, torch.ones_like(rows, dtype=torch.bool))


def padding_last(mask: Tensor) -> Tensor:
    """The order (rows, longest) that puts each row's tokens first. Columns that are padding in all rows are left
    out."""
    return torch.argsort(mask.int(), dim=1, descending=True, stable=True)[:, : int(mask.sum(1).max())]
