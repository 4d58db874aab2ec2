"""What a server does with a request: from its texts to scores or, with an index, to hits."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from distilrank.data.batches import batches_by_length
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import ragged_ids, stored_batch, text_batch
from distilrank.rankers.loading import load_ranker

if TYPE_CHECKING:
    from distilrank.retrieval.dense import DenseIndex

# More would keep others waiting: what a query asks for is answered at once.
MOST_PASSAGES = 1000


class Request(BaseModel):
    """A query, and either the passages to score for it or how many of the indexed ones to find."""

    model_config = ConfigDict(extra="forbid")

    query: str
    passages: list[str] | None = None
    top_k: int | None = None


class Hit(BaseModel):
    """A passage that was found, and its score: raw, higher is better."""

    passage_id: str
    score: float


class Answer(BaseModel):
    """The scores of the request's passages, in their order; or the hits, best first."""

    scores: list[float] | None = None
    hits: list[Hit] | None = None


class NotAnswered(Exception):
    """A request that asks for nothing, for too much, or for what this model does not have."""


class Answering:
    """Re-ranks the passages of a request or, with an index, finds some."""

    def __init__(self, ranker: Ranker, tokenizer: TextTokenizer, index: "DenseIndex | None") -> None:
        self.ranker, self.tokenizer, self.index = ranker, tokenizer, index

    @classmethod
    def load(cls, directory: Path, index: Path | None) -> Self:
        """From a ranker's directory, and its index's if it has one. Raises MissingInput."""
        return cls(load_ranker(directory), TextTokenizer(directory), _read(index) if index else None)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Raises NotAnswered for the first that cannot be, before any is."""
        for request in requests:
            self._check(request)
        return [self._answer(request) for request in requests]

    def _check(self, request: Request) -> None:
        if not request.query.strip():
            raise NotAnswered("query: got no words, expected some")
        if (request.passages is None) == (request.top_k is None):
            raise NotAnswered("expected either passages, to score them, or top_k, to find as many")
        if request.passages is not None and len(request.passages) > MOST_PASSAGES:
            raise NotAnswered(f"passages: got {len(request.passages)}, expected at most {MOST_PASSAGES}")
        if request.top_k is not None and self.index is None:
            raise NotAnswered("top_k: this model has no index; expected passages, to score them")
        if request.top_k is not None and not 1 <= request.top_k <= MOST_PASSAGES:
            raise NotAnswered(f"top_k: got {request.top_k}, expected 1 to {MOST_PASSAGES}")

    @torch.inference_mode()
    def _answer(self, request: Request) -> Answer:
        batch = text_batch([request.query], self.ranker.config.query_length, self.tokenizer).to(self.ranker.device)
        query = self.ranker.encode_queries(batch)
        if request.passages is not None:
            return Answer(scores=self._scores(query, batch.ids.shape[1], request.passages))
        assert request.top_k is not None
        return Answer(hits=self._hits(query, request.top_k))

    def _scores(self, query: Encoded, query_length: int, passages: list[str]) -> list[float]:
        tokens = ragged_ids(passages, self.ranker.config.passage_length, self.tokenizer)
        lengths = tokens.lengths(np.arange(len(passages))) + query_length + SPECIAL_TOKENS
        scores = np.zeros(len(passages))
        for rows in batches_by_length(lengths, tokens_per_batch(self.ranker.device)):
            batch = stored_batch(tokens, rows, self.tokenizer.special_tokens.pad).to(self.ranker.device)
            encoded = self.ranker.encode_passages(batch)
            scores[rows] = self.ranker.interact(query.repeat(len(rows)), encoded).cpu().numpy()
        return [float(score) for score in scores]

    def _hits(self, query: Encoded, top_k: int) -> list[Hit]:
        from distilrank.retrieval.vectors import one_vector

        assert self.index is not None
        found = self.index.best(one_vector(query), top_k)
        return [Hit(passage_id=passage_id, score=score) for passage_id, score in found.iter_rows()]


def _read(index: Path) -> "DenseIndex":
    """Faiss is imported for models that have an index."""
    from distilrank.retrieval.dense import DenseIndex

    return DenseIndex.read(index)
