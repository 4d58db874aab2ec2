"""How a server answers a request: from texts to scores or, with an index, to hits."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from distilrank.data.runs import Hit
from distilrank.model import Model

# A query is answered in one go, and more passages would keep other clients waiting.
MOST_PASSAGES = 1000


class Request(BaseModel):
    """A query, and either the passages to score for it or the number of indexed passages to find."""

    model_config = ConfigDict(extra="forbid")

    query: str
    passages: list[str] | None = None
    top_k: int | None = None


class Answer(BaseModel):
    """The scores of the request's passages, in their order; or the hits, best first."""

    scores: list[float] | None = None
    hits: list[Hit] | None = None


class NotAnswered(Exception):
    """A request asks for nothing, for too much, or for search in a model without an index."""


class Answering:
    """Answers requests: re-ranks their passages or, if the model has an index, finds some."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answers all requests. Raises NotAnswered, before it answers any, for the first that it cannot answer."""
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
        if request.top_k is not None and not self._model.searches:
            raise NotAnswered("top_k: this model has no index; expected passages, to score them")
        if request.top_k is not None and not 1 <= request.top_k <= MOST_PASSAGES:
            raise NotAnswered(f"top_k: got {request.top_k}, expected 1 to {MOST_PASSAGES}")

    def _answer(self, request: Request) -> Answer:
        if request.passages is not None:
            return Answer(scores=self._model.score(request.query, request.passages).tolist())
        assert request.top_k is not None
        return Answer(hits=self._model.search(request.query, request.top_k))
