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
    """What a student learns from a teacher that scores every query with every passage of a batch: dual supervision
    (Hofstätter et al., arXiv 2104.06967, section 3.2).

    Its loss is added with the factor `weight` to that of the triples. `load` gives the teacher, which does not learn,
    and `scale` multiplies its scores. `texts` are the texts of the triples in the teacher's tokens, in the same rows.
    """

    load: Callable[[], Ranker]
    texts: StoredTexts
    loss: Loss
    weight: float
    scale: float = 1.0


def positive_first(scores: Tensor, known: Tensor) -> Tensor:
    """Scores (queries, 1 + passages): the query's own positive, then every passage of the batch as a negative.

    `scores` (queries, passages) are those of every query with every passage of a batch, triple by triple. A passage
    that is `known` (queries, passages) as a positive of the query, its own included, gets -inf as a negative.
    """
    return torch.cat([own_triples(scores)[:, :1], scores.masked_fill(known, -torch.inf)], 1)


def without_positives(scores: Tensor, known: Tensor) -> Tensor:
    """Scores (queries, 1 + negatives) of triples, with -inf for a negative that is `known` as a positive."""
    return torch.cat([scores[:, :1], scores[:, 1:].masked_fill(known[:, 1:], -torch.inf)], 1)


def own_triples(scores: Tensor) -> Tensor:
    """Each query's own triple (queries, 1 + negatives), out of values for all passages of the batch."""
    queries = len(scores)
    return scores.view(queries, queries, -1).diagonal(dim1=0, dim2=1).T
