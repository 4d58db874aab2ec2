"""A trained ranker as MLflow serves it. MLflow keeps this file beside the ranker and runs it: models from code."""

from pathlib import Path

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from pydantic import BaseModel, ConfigDict

from distilrank.data.batches import batches_by_length
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import ragged_ids, stored_batch, text_batch

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


class ServedRanker(PythonModel):
    """Re-ranks the passages of a request or, with an index, finds some."""

    def load_context(self, context: PythonModelContext) -> None:
        directory = Path(context.artifacts["ranker"])
        self.ranker = load_ranker(directory)
        self.tokenizer = TextTokenizer(directory)
        self.index = None
        if "index" in context.artifacts:
            from distilrank.retrieval.dense import DenseIndex

            self.index = DenseIndex.read(Path(context.artifacts["index"]))

    def predict(self, model_input: list[Request]) -> list[Answer]:  # type: ignore[override]  # MLflow allows it without a context
        """MLflow reads the signature from these types."""
        for request in model_input:
            self._check(request)
        return [self._answer(request) for request in model_input]

    def _check(self, request: Request) -> None:
        """Raises MlflowException, which the server answers with status 400."""
        if not request.query.strip():
            raise _refused("query: got no words, expected some")
        if (request.passages is None) == (request.top_k is None):
            raise _refused("expected either passages, to score them, or top_k, to find as many")
        if request.passages is not None and len(request.passages) > MOST_PASSAGES:
            raise _refused(f"passages: got {len(request.passages)}, expected at most {MOST_PASSAGES}")
        if request.top_k is not None and self.index is None:
            raise _refused("top_k: this model has no index; expected passages, to score them")
        if request.top_k is not None and not 1 <= request.top_k <= MOST_PASSAGES:
            raise _refused(f"top_k: got {request.top_k}, expected 1 to {MOST_PASSAGES}")

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


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ServedRanker())
