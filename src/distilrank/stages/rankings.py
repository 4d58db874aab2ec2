"""How a ranker ranks passages for the test queries: by the vectors of passages, or pair by pair."""

import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from distilrank.artifacts import layout
from distilrank.config.derived import measured_on, searching, stored_vectors_of, tokens_of
from distilrank.config.params import Params
from distilrank.data.query_ranges import QueryRange
from distilrank.data.tokenizer import copy_tokenizer
from distilrank.data.tokens import TokenStore
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.model import Model
from distilrank.rankers.device import chosen_device
from distilrank.rankers.table import trained_params
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.encoding import encoded_passages
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import begin_scoring
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import KEY, stored_scores
from distilrank.scoring.store import ScoreStore, scorer_of
from distilrank.stages.test_collection import TestCollection
from distilrank.stages.untrained import untrained
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace

# A ranker's run (query_id, passage_id, score) of a range of queries.
RunOf = Callable[[QueryRange], pl.DataFrame]


class Reranked(Protocol):
    """The passages that a ranker re-ranks: the candidates of a test collection, or what a system's first stage found.

    `best` gives them for a range of queries (query_id, passage_id, score), `re_ranked` the ids of all, ascending.
    """

    def best(self, queries: QueryRange) -> pl.DataFrame: ...
    def re_ranked(self) -> pl.Series: ...


@dataclass(frozen=True)
class Rankings:
    """The runs of a ranker, by its name in the results. `work` keeps what a killed evaluation goes on with.

    Where passages are `given`, it re-ranks these alone. Otherwise it re-ranks the candidates, and searches if it can.
    """

    params: Params
    ranker: str
    test: TestCollection
    ranges: list[QueryRange]
    work: Path
    given: Reranked | None = None

    def runs(self) -> Generator[tuple[str, RunOf]]:
        """By kind of task, a function that makes the run of a range. Call it before asking for the next range."""
        if self.ranker == measured_on(self.params, self.test.called).candidates.first_stage():
            yield RERANK, self.test.best
            yield RETRIEVE, self.test.found
            return
        directory = self._directory()
        is_stored = stored_vectors_of(self.params, self.ranker, self.test.called) is not None
        by = self._by_vectors if is_stored or trained_params(directory).one_vector else self._by_pairs
        yield from by(directory, TokenStore.open(self._tokens()))

    @property
    def _reranked(self) -> Reranked:
        return self.given or self.test

    def _directory(self) -> Path:
        """The ranker's directory. That of an untrained ranker is made here."""
        begun = untrained(self.params)
        if self.ranker not in begun:
            return layout.MODELS / self.ranker
        directory, draft = self.work / "model", self.work / "model.draft"
        if not directory.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
            begun[self.ranker](self._tokens()).save_pretrained(draft)
            copy_tokenizer(self._tokens(), draft)
            draft.rename(directory)
        return directory

    def _tokens(self) -> Path:
        return tokens_of(self.params, self.ranker, self.test.called)

    def _by_vectors(self, directory: Path, tokens: TokenStore) -> Iterator[tuple[str, RunOf]]:
        """Each passage is encoded once: beforehand, or here by a dense ranker, if it is searched or re-ranked."""
        params, name, test = self.params, self.ranker, self.test
        model = Model.load(directory, stored_vectors_of(params, name, test.called))
        searches = name in searching(params, test.called) and not self.given
        if model.index is None:
            passages = tokens.passage_ids if searches else self._reranked.re_ranked()
            place = self.work / "vectors"
            model.index = DenseIndex(encoded_passages(directory, tokens, passages, place, params.encoding, name))
        precision = params.evaluation.precision
        yield RERANK, lambda queries: model.rerank(tokens, self._reranked.best(queries), precision=precision)
        if searches:
            yield (
                RETRIEVE,
                lambda some: model.retrieve(tokens, test.queries(some), test.deepest, test.exclude_identical_ids),
            )

    def _by_pairs(self, directory: Path, tokens: TokenStore) -> Iterator[tuple[str, RunOf]]:
        """Workers score each pair, in parts. The scores stay in the store."""
        place, precision = Workplace.chosen(), self.params.evaluation.precision
        if not place.ray_address:
            chosen_device()  # refused here; on Ray it is for the workers to say
        known = KnownPairs(lambda queries: self._reranked.best(queries).select(KEY).sort(KEY), tokens)
        # The store first: a second scoring by the same ranker waits there, until all is written.
        with ScoreStore.opened(scorer_of(directory, precision)) as store:
            plan = Plan.made(self.work / "plan", known, self.ranges, store, self.params.scoring.pairs_per_part)
            with workers(Work(begin_scoring, directory), place) as each:
                score_missing(store, plan, each, tokens, precision, self.ranker)
            yield RERANK, lambda queries: stored_scores(known, queries, store).cast({"score": pl.Float64})
