"""A trained ranker as others use it: texts in, scores, vectors or hits out."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from pydantic import BaseModel

from distilrank.data.batches import batches_by_length
from distilrank.data.ragged import RaggedIds
from distilrank.data.runs import found
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import ragged_ids, stored_batch, text_batch
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.reranking import rerank_stored
from distilrank.retrieval.vectors import Encode, Vectors, encode_vectors, one_vector
from distilrank.scoring.pairs import rerank
from distilrank.sections.precision import Precision

if TYPE_CHECKING:
    from distilrank.retrieval.dense import DenseIndex


class Hit(BaseModel):
    """A passage that was found, and its score: raw, higher is better."""

    passage_id: str
    score: float


class Model:
    """A ranker with its tokenizer and, where it has one, its index.

    Texts get the ranker's prefixes, and are cut at its lengths. Scores are raw float32; those of different rankers have
    different ranges.
    """

    def __init__(self, ranker: Ranker, tokenizer: TextTokenizer, index: "DenseIndex | None" = None) -> None:
        self.ranker, self.tokenizer, self.index = ranker, tokenizer, index

    @classmethod
    def load(cls, directory: Path, index: Path | None = None, live: bool = False) -> Self:
        """From a ranker's directory, and that of its vectors, or of an index of these, if it has one. Passages can be
        added to a `live` index, replaced in it and deleted from it: `put` and `delete`.

        Raises MissingInput, also for an index of another model, or of another collection than stands in the project.
        """
        return cls(load_ranker(directory), TextTokenizer(directory), _read(index, directory, live) if index else None)

    @torch.inference_mode()
    def score(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """The scores (passages,) of passages for a query, in their order."""
        batch = self._query_batch(query)
        encoded = self.ranker.encode_queries(batch)
        tokens = self._passage_ids(passages)
        lengths = tokens.lengths(np.arange(len(passages))) + batch.ids.shape[1] + SPECIAL_TOKENS
        scores = np.zeros(len(passages), np.float32)
        for rows in batches_by_length(lengths, tokens_per_batch(self.ranker.device)):
            some = stored_batch(tokens, rows, self.tokenizer.special_tokens.pad).to(self.ranker.device)
            scores[rows] = self._interact(encoded, self.ranker.encode_passages(some))
        return scores

    @torch.inference_mode()
    def encode(self, passages: Sequence[str]) -> Encoded:
        """What can be computed of passages, and stored, before any query is known."""
        config = self.ranker.config
        batch = text_batch(passages, config.passage_length, self.tokenizer, config.passage_prefix)
        return self.ranker.encode_passages(batch.to(self.ranker.device))

    @torch.inference_mode()
    def score_encoded(self, query: str, passages: Encoded) -> npt.NDArray[np.float32]:
        """The scores (passages,) for a query of passages that `encode` encoded."""
        encoded = self.ranker.encode_queries(self._query_batch(query))
        return self._interact(encoded, passages)

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Vectors (queries, width). Raises InputError for a ranker that makes more than one vector per text."""
        config = self.ranker.config
        tokens = ragged_ids(queries, config.query_length, self.tokenizer, config.query_prefix)
        return self._vectors(self.ranker.encode_queries, tokens)

    def encode_passages(self, passages: Sequence[str]) -> Vectors:
        """Vectors (passages, width). Raises InputError for a ranker that makes more than one vector per text."""
        return self._vectors(self.ranker.encode_passages, self._passage_ids(passages))

    def query_vectors(self, tokens: TokenStore, query_ids: pl.Series) -> Vectors:
        """Vectors (queries, width) of stored queries. Raises InputError as `encode_queries` does."""
        rows, pad = tokens.query_rows(query_ids), tokens.special_tokens.pad
        return encode_vectors(self.ranker.encode_queries, tokens.queries, rows, pad, self.ranker.device)

    @torch.inference_mode()
    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` passages of the index, best first. Raises InputError for a model without an index."""
        encoded = self.ranker.encode_queries(self._query_batch(query))
        best = self._indexed().best(one_vector(encoded), k)
        return [Hit(passage_id=passage_id, score=score) for passage_id, score in best.iter_rows()]

    def put(self, passages: Mapping[str, str]) -> None:
        """Adds passages, texts by id, to a live index, or replaces those that are there.

        Raises InputError for an index that is not live, or of a kind that does not allow it.
        """
        self._indexed().put(pl.Series(list(passages), dtype=pl.String), self.encode_passages(list(passages.values())))

    def delete(self, passage_ids: Sequence[str]) -> None:
        """From a live index. Raises MissingInput for a passage that is not there, InputError as `put` does."""
        self._indexed().delete(pl.Series(passage_ids, dtype=pl.String))

    def rerank(
        self,
        tokens: TokenStore,
        candidates: pl.DataFrame,
        advance: Advance = lambda _: None,
        precision: Precision = "float32",
    ) -> pl.DataFrame:
        """A run: the candidates (query_id, passage_id) of stored texts, scored from the index where there is one.

        `precision` is that of the matrix products of pairs that are scored anew.
        """
        if self.index is None:
            return rerank(self.ranker, tokens, candidates, precision, advance)
        query_ids = candidates["query_id"].unique().sort()
        vectors = self.query_vectors(tokens, query_ids)
        run = rerank_stored(self.ranker, query_ids, vectors, self.index, candidates)
        advance(len(run))
        return run

    def retrieve(
        self, tokens: TokenStore, query_ids: pl.Series, depth: int, exclude_identical_ids: bool = False
    ) -> pl.DataFrame:
        """A run: the best `depth` passages of each stored query. Raises InputError for a model without an index."""
        search = partial(self._indexed().search, query_ids, self.query_vectors(tokens, query_ids))
        return found(search, depth, exclude_identical_ids)

    def _interact(self, query: Encoded, passages: Encoded) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = (
            self.ranker.interact(query.repeat(len(passages.values)), passages).cpu().numpy()
        )
        return scores

    def _query_batch(self, query: str) -> TokenBatch:
        config = self.ranker.config
        return text_batch([query], config.query_length, self.tokenizer, config.query_prefix).to(self.ranker.device)

    def _passage_ids(self, passages: Sequence[str]) -> RaggedIds:
        config = self.ranker.config
        return ragged_ids(passages, config.passage_length, self.tokenizer, config.passage_prefix)

    def _vectors(self, encode: Encode, tokens: RaggedIds) -> Vectors:
        pad = self.tokenizer.special_tokens.pad
        return encode_vectors(encode, tokens, np.arange(len(tokens)), pad, self.ranker.device)

    def _indexed(self) -> "DenseIndex":
        if self.index is None:
            raise InputError(
                "search", got="a model without an index", expected="one with an index", remedy="load it with its index"
            )
        return self.index


def _read(index: Path, model: Path, live: bool) -> "DenseIndex":
    """What searches is imported for models that do."""
    from distilrank.retrieval.dense import DenseIndex
    from distilrank.retrieval.made_from import refuse_foreign, vectors_behind

    refuse_foreign(vectors_behind(index), model)
    return DenseIndex.read(index, live)
