"""A trained ranker as MLflow serves it. MLflow keeps this file beside the ranker and runs it: models from code."""

from pathlib import Path

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from pydantic import BaseModel

from distilrank.data.batches import batches_by_length
from distilrank.data.tokens import TextTokenizer
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import ragged_ids, stored_batch, text_batch


class RerankRequest(BaseModel):
    """A query, and the passages to score for it."""

    query: str
    passages: list[str]


class Reranker(PythonModel):
    """Gives each request the scores of its passages, in their order: raw, higher is better."""

    def load_context(self, context: PythonModelContext) -> None:
        directory = Path(context.artifacts["ranker"])
        self.ranker = load_ranker(directory)
        self.tokenizer = TextTokenizer(directory)

    def predict(self, model_input: list[RerankRequest]) -> list[list[float]]:  # type: ignore[override]  # MLflow allows it without a context
        """MLflow reads the signature from these types."""
        return [self._scores(request.query, request.passages) for request in model_input]

    @torch.inference_mode()
    def _scores(self, query: str, passages: list[str]) -> list[float]:
        config, device = self.ranker.config, self.ranker.device
        queries = text_batch([query], config.query_length, self.tokenizer).to(device)
        encoded = self.ranker.encode_queries(queries)
        tokens = ragged_ids(passages, config.passage_length, self.tokenizer)
        lengths = tokens.lengths(np.arange(len(passages))) + queries.ids.shape[1] + SPECIAL_TOKENS
        scores = np.zeros(len(passages))
        for rows in batches_by_length(lengths, tokens_per_batch(device)):
            batch = stored_batch(tokens, rows, self.tokenizer.special_tokens.pad).to(device)
            encoded_passages = self.ranker.encode_passages(batch)
            scores[rows] = self.ranker.interact(encoded.repeat(len(rows)), encoded_passages).cpu().numpy()
        return [float(score) for score in scores]


set_model(Reranker())
