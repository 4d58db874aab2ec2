"""mine: a set of training triples whose negatives were found by sources, without those that a teacher finds
relevant."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.mining import Scorer, mine_triples
from distilrank.data.query_ranges import query_ranges
from distilrank.data.run_tables import FOUND
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import TRIPLES, pairs_by_range
from distilrank.rankers.device import chosen_device
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import begin_scoring
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import scan_scores, write_scores
from distilrank.scoring.store import ScoreStore, fingerprint_of, scorer_of
from distilrank.stages.record import Track
from distilrank.stages.unlabelled import unlabelled_used, write_unlabelled
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace


def mine(params: Params, name: str, track: Track) -> None:
    """Writes data/triples/<name>/."""
    section = params.mined(name)
    collection = Collection.read(layout.COLLECTION)
    places = {source: layout.FOUND / name / source for source in section.source_names()}
    found = {
        source: pl.read_parquet(built(place / FOUND), columns=["query_id", "passage_id"])
        for source, place in places.items()
    }
    teacher = section.filter.teacher if section.filter else None
    judge = [tokens_of(params, teacher), layout.MODELS / teacher] if teacher else []
    inputs = [layout.COLLECTION, layout.CANDIDATES, *places.values(), *judge]
    used = section.model_dump() | {"precision": params.scoring.precision} | unlabelled_used(params.unlabelled)
    scorer = _scorer(params, name, teacher, inputs, track) if teacher else nullcontext()
    with (
        scorer as scores_of,
        whole_directory(layout.TRIPLES / name, f"distilrank mine {name}", used, inputs) as draft,
    ):
        triples, counts = mine_triples(collection.qrels_of(TRAIN), found, section, name, scores_of)
        triples.write_parquet(draft.path / TRIPLES)
        draft.counts |= {"triples": len(triples), "queries": triples["query_id"].n_unique(), **counts}
        if params.unlabelled:
            candidates = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
            draft.counts |= write_unlabelled(draft.path, collection, candidates, params.unlabelled.clicks)


@contextmanager
def _scorer(params: Params, name: str, teacher: str, inputs: list[Path], track: Track) -> Iterator[Scorer]:
    """Scores by a teacher. Pairs in its store are not scored again, and new scores stay there."""
    workplace, section, model = Workplace.chosen(), params.scoring, layout.MODELS / teacher
    if not workplace.ray_address:
        chosen_device()  # refused here; on Ray it is for the workers to say
    tokens, identity = TokenStore.open(tokens_of(params, teacher)), scorer_of(model, section.precision)
    used = params.mined(name).model_dump() | section.model_dump() | {"fingerprint": fingerprint_of(identity)}
    numbers = count()
    # The store first: a second scoring by the same teacher waits there, until all is written.
    with (
        ScoreStore.opened(identity) as store,
        work_directory(f"mine-{name}", "mine", used, inputs) as work,
        track(f"mine-{name}", used, work) as record,
        workers(Work(begin_scoring, model), workplace) as each,
    ):

        def scores_of(triples: pl.DataFrame) -> pl.DataFrame:
            ranges = query_ranges(triples.lazy(), section.pairs_at_once)
            known = KnownPairs(pairs_by_range(triples.lazy()), tokens)
            # Of the same draws in the same order, a killed mining finds its plans again.
            place = work / f"draws-{next(numbers)}"
            plan = Plan.made(place / "plan", known, ranges, store, section.pairs_per_part)
            score_missing(store, plan, each, tokens, section.precision, teacher, record.log)
            scores = place / "scores"
            scores.mkdir(exist_ok=True)
            write_scores(scores, known, ranges, store)
            return scan_scores(scores).collect()

        yield scores_of
