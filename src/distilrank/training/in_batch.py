"""In-batch negatives (Karpukhin et al., arXiv 2004.04906, section 3.2): every query meets every passage of a batch."""

import torch
from torch import Tensor


def positive_first(scores: Tensor, query_rows: Tensor, passage_rows: Tensor) -> Tensor:
    """Scores (queries, 1 + passages): the query's own positive, then every passage of the batch as a negative.

    `scores` (queries, passages) are those of every query with every passage of a batch; query_rows (queries,) and
    passage_rows (queries, 1 + negatives) say who is who.
    -inf stands where a passage is no negative of the query: in its own positive's place, in every other place of the
    same passage, and where another row of the batch has the passage as a positive of the same query.
    """
    positives = passage_rows[:, 0]
    same_query = query_rows.unsqueeze(1) == query_rows
    is_positive = positives.unsqueeze(1) == passage_rows.flatten()
    known = (same_query.float() @ is_positive.float()) > 0
    own = scores[:, :: passage_rows.shape[1]].diagonal()
    return torch.cat([own.unsqueeze(1), scores.masked_fill(known, -torch.inf)], 1)


def own_triples(scores: Tensor) -> Tensor:
    """(queries, 1 + negatives): each query's scores of its own triple's passages, of the same `scores`."""
    queries = len(scores)
    return scores.view(queries, queries, -1).diagonal(dim1=0, dim2=1).T
