"""In-batch negatives (Karpukhin et al., arXiv 2004.04906, section 3.2): every query meets every passage of a batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from distilrank.data.ragged import StoredTexts
from distilrank.losses import Loss
from distilrank.rankers.base import Ranker


@dataclass(frozen=True)
class InBatchLesson:
    """What a student learns of a teacher that scores every query with every passage of its batches: dual supervision
    (Hofstätter et al., arXiv 2104.06967, section 3.2).

    The loss counts `weight` times, beside that of the triples. `load` gives the teacher, which learns nothing, and
    whose scores count `scale` times. `texts` are those of the triples in its own tokens, in the same rows.
    """

    load: Callable[[], Ranker]
    texts: StoredTexts
    loss: Loss
    weight: float
    scale: float = 1.0


def positive_first(scores: Tensor, known: Tensor) -> Tensor:
    """Scores (queries, 1 + passages): the query's own positive, then every passage of the batch as a negative.

    `scores` (queries, passages) are those of every query with every passage of a batch, triple by triple. -inf stands
    where a passage is `known` (queries, passages) to be a positive of the query, its own among them.
    """
    return torch.cat([own_triples(scores)[:, :1], scores.masked_fill(known, -torch.inf)], 1)


def without_positives(scores: Tensor, known: Tensor) -> Tensor:
    """Scores (queries, 1 + negatives) of triples, with -inf where a negative is `known` to be a positive."""
    return torch.cat([scores[:, :1], scores[:, 1:].masked_fill(known[:, 1:], -torch.inf)], 1)


def own_triples(scores: Tensor) -> Tensor:
    """(queries, 1 + negatives): what each query's own triple has of what all passages of the batch have."""
    queries = len(scores)
    return scores.view(queries, queries, -1).diagonal(dim1=0, dim2=1).T
