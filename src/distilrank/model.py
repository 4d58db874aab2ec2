"""A trained ranker as others use it: texts in, scores, vectors or hits out."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from distilrank.data.batches import batches_by_length
from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.runs import Hit, found
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError, telling_extras
from distilrank.progress import Advance
from distilrank.rankers.base import SPECIAL_TOKENS, Encoded, Ranker, TokenBatch
from distilrank.rankers.inference import tokens_per_batch
from distilrank.rankers.inputs import ragged_ids, stored_batch, text_batch
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.matches import Match
from distilrank.retrieval.vectors import Encode, Vectors, encode_vectors
from distilrank.scoring.pairs import rerank
from distilrank.sections.precision import Precision

if TYPE_CHECKING:
    from distilrank.retrieval.passage_index import PassageIndex


class Model:
    """A ranker with its tokenizer and, where it has one, its index.

    Texts get the ranker's prefixes, and are cut at its lengths. Scores are raw float32; those of different rankers have
    different ranges.
    """

    def __init__(self, ranker: Ranker, tokenizer: TextTokenizer, index: "PassageIndex[Any] | None" = None) -> None:
        self.ranker, self.tokenizer, self.index = ranker, tokenizer, index

    @classmethod
    @telling_extras()
    def load(cls, directory: Path, index: Path | None = None, live: bool = False) -> Self:
        """Loads a ranker from its directory and, if it has one, its index: a directory of vectors, or of an index of
        these. A `live` index takes changes by `put` and `delete`.

        Raises MissingInput, also for an index of another model, or of a collection other than the project's, and
        MissingLibrary for an index that needs Faiss, without it.
        """
        ranker = load_ranker(directory)
        return cls(ranker, TextTokenizer(directory), _opened(index, directory, ranker, live) if index else None)

    def score(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """The scores (passages,) of passages for a query, in their order."""
        return self.score_tokens(query, self._passage_ids(passages), np.arange(len(passages)))

    @torch.inference_mode()
    def score_tokens(self, query: str, passages: RaggedIds, rows: Rows) -> npt.NDArray[np.float32]:
        """The scores (rows,) of passages whose token ids are stored, for a query: those in `rows`."""
        batch = self._query_batch(query)
        encoded = self.ranker.encode_queries(batch)
        lengths = passages.lengths(rows) + batch.ids.shape[1] + SPECIAL_TOKENS
        scores = np.zeros(len(rows), np.float32)
        for places in batches_by_length(lengths, tokens_per_batch(self.ranker.device)):
            some = stored_batch(passages, rows[places], self.tokenizer.special_tokens.pad).to(self.ranker.device)
            scores[places] = self._interact(encoded, self.ranker.encode_passages(some))
        return scores

    @torch.inference_mode()
    def encode(self, passages: Sequence[str]) -> Encoded:
        """What can be computed of passages and stored before any query is known."""
        return self.ranker.encode_passages(self._passage_batch(passages))

    @torch.inference_mode()
    def score_encoded(self, query: str, passages: Encoded) -> npt.NDArray[np.float32]:
        """The scores (passages,), for a query, of passages that `encode` encoded."""
        encoded = self.ranker.encode_queries(self._query_batch(query))
        return self._interact(encoded, passages)

    @torch.inference_mode()
    def matches(self, query: str, passages: Sequence[str]) -> list[list[Match]]:
        """What made up the score of each passage for a query; places are of the tokens with the ranker's prefixes."""
        return self.ranker.matches(self._query_batch(query), self._passage_batch(passages))

    def encode_queries(self, queries: Sequence[str]) -> Vectors:
        """Vectors (queries, width). Raises InputError for a ranker that makes more than one vector per text."""
        config = self.ranker.config
        tokens = ragged_ids(queries, config.query_length, self.tokenizer, config.query_prefix)
        return self._vectors(self.ranker.encode_queries, tokens)

    def encode_passages(self, passages: Sequence[str]) -> Vectors:
        """Vectors (passages, width). Raises InputError for a ranker that makes more than one vector per text."""
        return self._vectors(self.ranker.encode_passages, self._passage_ids(passages))

    def encoded_queries(self, tokens: TokenStore, query_ids: pl.Series, precision: Precision = "float32") -> Any:
        """Stored queries as the index takes them. A slice of them gives some. Raises InputError for a model without
        one."""
        rows, pad = tokens.query_rows(query_ids), tokens.special_tokens.pad
        return self._indexed().encoded(self.ranker, tokens.queries, rows, pad, precision)

    @torch.inference_mode()
    def score_stored(self, query: str, passage_ids: pl.Series) -> npt.NDArray[np.float32]:
        """The scores (passages,) of stored passages for a query. Raises InputError for a model without an index."""
        encoded = self._indexed().of(self.ranker.encode_queries(self._query_batch(query)))
        candidates = pl.DataFrame({"query_id": ["query"] * len(passage_ids), "passage_id": passage_ids})
        run = self._indexed().rerank(self.ranker, pl.Series(["query"]), encoded, candidates)
        scores: npt.NDArray[np.float32] = run["score"].to_numpy().astype(np.float32)
        return scores

    @property
    def searches(self) -> bool:
        """Whether it finds passages."""
        return self.index is not None and self.index.searches

    @telling_extras()
    @torch.inference_mode()
    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` passages of the index, best first. Raises InputError for a model without an index, and
        MissingLibrary if Faiss has to search and is not installed."""
        encoded = self.ranker.encode_queries(self._query_batch(query))
        best = self._indexed().best(self._indexed().of(encoded), k)
        return [Hit(passage_id=passage_id, score=score) for passage_id, score in best.iter_rows()]

    def put(self, passages: Mapping[str, str]) -> None:
        """Adds passages (texts by id) to a live index, or replaces those that have the same ids.

        Raises InputError for an index that is not live, or of a kind that does not allow it.
        """
        self._indexed().put(pl.Series(list(passages), dtype=pl.String), self.encode_passages(list(passages.values())))

    def delete(self, passage_ids: Sequence[str]) -> None:
        """Deletes passages from a live index. Raises MissingInput for a passage that is not there, InputError as `put`
        does."""
        self._indexed().delete(pl.Series(passage_ids, dtype=pl.String))

    def rerank(
        self,
        tokens: TokenStore,
        candidates: pl.DataFrame,
        advance: Advance = lambda _: None,
        precision: Precision = "float32",
    ) -> pl.DataFrame:
        """A run: the candidates (query_id, passage_id) of stored texts, scored from the index where there is one.

        `precision` is that of the matrix products, of all that is not stored.
        """
        if self.index is None:
            return rerank(self.ranker, tokens, candidates, precision, advance)
        query_ids = candidates["query_id"].unique().sort()
        queries = self.encoded_queries(tokens, query_ids, precision)
        run = self.index.rerank(self.ranker, query_ids, queries, candidates, precision)
        advance(len(run))
        return run

    def retrieve(
        self, tokens: TokenStore, query_ids: pl.Series, depth: int, exclude_identical_ids: bool = False
    ) -> pl.DataFrame:
        """A run: the best `depth` passages of each stored query. Raises InputError for a model without an index."""
        search = partial(self._indexed().search, query_ids, self.encoded_queries(tokens, query_ids))
        return found(search, depth, exclude_identical_ids)

    def _interact(self, query: Encoded, passages: Encoded) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = (
            self.ranker.interact(query.repeat(len(passages.values)), passages).cpu().numpy()
        )
        return scores

    def _query_batch(self, query: str) -> TokenBatch:
        config = self.ranker.config
        return text_batch([query], config.query_length, self.tokenizer, config.query_prefix).to(self.ranker.device)

    def _passage_batch(self, passages: Sequence[str]) -> TokenBatch:
        config = self.ranker.config
        batch = text_batch(passages, config.passage_length, self.tokenizer, config.passage_prefix)
        return batch.to(self.ranker.device)

    def _passage_ids(self, passages: Sequence[str]) -> RaggedIds:
        config = self.ranker.config
        return ragged_ids(passages, config.passage_length, self.tokenizer, config.passage_prefix)

    def _vectors(self, encode: Encode, tokens: RaggedIds) -> Vectors:
        pad = self.tokenizer.special_tokens.pad
        return encode_vectors(encode, tokens, np.arange(len(tokens)), pad, self.ranker.device)

    def _indexed(self) -> "PassageIndex[Any]":
        if self.index is None:
            raise InputError(
                "search",
                got="a model without an index",
                expected="one with an index",
                remedy="load the model with its index",
            )
        return self.index


def _opened(index: Path, model: Path, ranker: Ranker, live: bool) -> "PassageIndex[Any]":
    """Opens an index. What searches is imported only for models that do."""
    from distilrank.retrieval.made_from import refuse_foreign, vectors_behind
    from distilrank.retrieval.opened import opened

    refuse_foreign(vectors_behind(index), model)
    return opened(index, ranker, live)
