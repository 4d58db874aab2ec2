"""Computes a step's scores and gradients piece by piece: texts are encoded in groups, then pairs of them meet in
groups.

Between pieces, values are detached from the graph, and gradients are handed on. So a piece's graph need not be kept: it
can be computed again when its gradient is needed (GradCache; Gao et al., arXiv 2101.06983). Pieces can also be those of
several processes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from distilrank.rankers.base import Encoded, Ranker, TokenBatch
from distilrank.rankers.precision import autocast
from distilrank.sections.precision import Precision
from distilrank.training.processes import ALONE, Processes, card_in_use


@dataclass(frozen=True)
class Computed:
    """How a step is computed: where, in which precision and by which processes. If `again`, graphs are not kept: they
    are computed again for the gradient."""

    device: torch.device
    precision: Precision = "float32"
    again: bool = False
    among: Processes = ALONE


class Step:
    """A batch from the Collator. `scores` are a leaf, for a loss; `backward` takes their gradient to the weights.

    scores: (batch, 1 + n) of each triple, or (batch, batch * (1 + n)) where every query meets every passage.
    """

    def __init__(self, ranker: Ranker, batch: dict[str, Any], how: Computed) -> None:
        self._how, self._mine, self._batch = how, batch["mine"], batch
        self._triples: list[_OfTriples] = []
        self._queries = self._encoded(ranker.encode_queries, batch["queries"])
        self._passages = self._encoded(ranker.encode_passages, batch["passages"], batch.get("among"))
        queries, passages = self._queries.texts, self._passages.texts

        def meet(queries_of: Tensor, passages_of: Tensor | None = None) -> Tensor:
            if passages_of is None:
                return ranker.interact_all(queries.at(queries_of), passages).ravel()
            return ranker.interact(queries.at(queries_of), passages.at(passages_of))

        self._pairs = [_Piece(partial(meet, *some.values()), how) for some in batch["pairs"]]
        self._met = _leaf(torch.cat([piece.made for piece in self._pairs]))
        self._placed = _in_place(self._met[batch["order"]], batch)
        self.scores = _leaf(how.among.whole(self._placed.detach(), self._mine, len(batch["numbers"])))

    def backward(self) -> None:
        """Adds this process's part of the gradient to the gradient of the ranker's weights."""
        for texts in self._triples:
            texts.backward()
        assert self.scores.grad is not None
        torch.autograd.backward(self._placed, self.scores.grad[self._mine])
        assert self._met.grad is not None
        gradients = torch.split(self._met.grad, [len(piece.made) for piece in self._pairs])
        for piece, gradient in zip(self._pairs, gradients, strict=True):
            piece.backward(gradient)
        self._passages.backward()
        self._queries.backward()

    @cached_property
    def texts_of_triples(self) -> tuple[Encoded, Encoded]:
        """Encodings of the whole batch, also leaves: queries (batch, ...), then passages (batch * (1 + n), ...).

        A text comes as often as triples have it, so that no mean depends on which process has which text.
        """
        passage_of = self._batch["passage_of"]
        own = passage_of[self._mine] if self._batch["every"] else passage_of
        group, count = own.shape[1], len(self._batch["numbers"])
        places = (self._mine.unsqueeze(1) * group + torch.arange(group, device=own.device)).ravel()
        self._triples = [
            _OfTriples(self._queries.texts.at(self._batch["query_of"]), self._mine, count, self._how.among),
            _OfTriples(self._passages.texts.at(own.ravel()), places, count * group, self._how.among),
        ]
        queries, passages = (one.texts for one in self._triples)
        return queries, passages

    def _encoded(
        self,
        encode: Callable[[TokenBatch], Encoded],
        batches: Sequence[dict[str, Tensor]],
        place: tuple[int, int] | None = None,
    ) -> "_Side":
        pieces = [_Piece(partial(encode, TokenBatch(**some)), self._how) for some in batches]
        return _Side(pieces, self._how.among, place)


class _Piece:
    """A detached result, whose graph is kept until its gradient is needed, or made again then."""

    def __init__(self, compute: Callable[[], Any], how: Computed) -> None:
        self._compute, self._how = compute, how
        self._random = _RandomState() if how.again else None
        with torch.set_grad_enabled(not how.again):
            made = self._computed()
        self._graph: Any = None if how.again else made
        self.made: Any = Encoded(made.values.detach(), made.mask) if isinstance(made, Encoded) else made.detach()

    def backward(self, gradient: Tensor) -> None:
        made, self._graph = self._graph, None
        if self._random:
            with self._random.restored():
                made = self._computed()
        values = made.values if isinstance(made, Encoded) else made
        # Token ids, which are cat's encodings, have no gradient.
        if values.requires_grad:
            torch.autograd.backward(values, gradient.to(values.dtype))

    def _computed(self) -> Any:
        with autocast(self._how.precision, self._how.device):
            return self._compute()


class _Side:
    """Queries or passages. `texts` has all that pairs need, as a leaf: this process's texts, or those of all in their
    places."""

    def __init__(self, pieces: list[_Piece], among: Processes, place: tuple[int, int] | None) -> None:
        self._pieces, self._among, self._place = pieces, among, place
        own = Encoded.joined([piece.made for piece in pieces])
        texts = among.gathered(own, _rows_of(own, place[0]), place[1]) if place else own
        # In float32, whatever their precision was, since many pairs add to the gradient of one text.
        values = texts.values.float() if texts.values.is_floating_point() else texts.values
        self.texts = Encoded(_leaf(values), texts.mask)

    def backward(self) -> None:
        gradient = self.texts.values.grad
        if gradient is None:
            return
        start = 0
        if self._place:
            gradient, start = self._among.sum(gradient), self._place[0]
        for piece in self._pieces:
            rows, length = piece.made.values.shape[:2]
            piece.backward(gradient[start : start + rows, :length])
            start += rows


class _OfTriples:
    """The `own` texts of this process's triples among those of all, at `places` of `count`."""

    def __init__(self, own: Encoded, places: Tensor, count: int, among: Processes) -> None:
        self._own, self._places = own, places
        whole = among.gathered(Encoded(own.values.detach(), own.mask), places, count)
        self.texts = Encoded(_leaf(whole.values), whole.mask)

    def backward(self) -> None:
        gradient = self.texts.values.grad
        if gradient is not None:
            torch.autograd.backward(self._own.values, gradient[self._places, : self._own.values.shape[1]])


class _RandomState:
    """The state of the random numbers for dropout, so that the same values are dropped again."""

    def __init__(self) -> None:
        self._processor = torch.get_rng_state()
        self._cards = card_in_use()
        self._card = torch.cuda.get_rng_state() if self._cards else None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """A block with this state. After it, the state is as before."""
        with torch.random.fork_rng(self._cards):
            torch.set_rng_state(self._processor)
            if self._card is not None:
                torch.cuda.set_rng_state(self._card)
            yield


@torch.no_grad()
def scores_alone(ranker: Ranker, batch: dict[str, Any], how: Computed) -> Tensor:
    """A Step's scores for a ranker that does not learn. Graphs that would be made again are never kept."""
    return Step(ranker, batch, replace(how, again=True)).scores.detach()


def _rows_of(texts: Encoded, start: int) -> Tensor:
    return torch.arange(start, start + len(texts.mask), device=texts.mask.device)


def _leaf(values: Tensor) -> Tensor:
    return values.requires_grad_() if values.is_floating_point() else values


def _in_place(scores: Tensor, batch: dict[str, Any]) -> Tensor:
    """The scores of this process's pairs, with a row for each of its triples."""
    query_of, passage_of = batch["query_of"], batch["passage_of"]
    if not batch["every"]:
        return scores.view(passage_of.shape)
    queries = sum(len(some["ids"]) for some in batch["queries"])
    return scores.view(queries, -1)[query_of][:, passage_of.ravel()]
