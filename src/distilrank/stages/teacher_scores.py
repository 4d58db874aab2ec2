"""What score and score-dev share: a teacher's scores of pairs, written to a place of their own.

Pairs in the store of its scores are not scored again.
"""

from pathlib import Path

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.data.query_ranges import QueryRange
from distilrank.data.tokens import TokenStore
from distilrank.rankers.device import chosen_device
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import begin_scoring
from distilrank.scoring.plan import KnownPairs, PairsOfRange, Plan
from distilrank.scoring.scores import write_scores
from distilrank.scoring.store import ScoreStore, fingerprint_of, scorer_of
from distilrank.stages.record import Track
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace


def workplace() -> Workplace:
    """Where pairs are scored. Raises WorkerError if the environment asks for workers or a device that cannot be
    had."""
    place = Workplace.chosen()
    if not place.ray_address:
        chosen_device()  # refused here; on Ray it is for the workers to say
    return place


def write_teacher_scores(
    params: Params,
    teacher: str,
    target: Path,
    made_by: str,
    pairs: PairsOfRange,
    ranges: list[QueryRange],
    read: list[Path],
    track: Track,
    place: Workplace,
) -> None:
    """Writes (query_id, passage_id, score) of the pairs of all ranges, which come from the directories `read`."""
    section, model, store_of_tokens = params.scoring, layout.MODELS / teacher, tokens_of(params, teacher)
    tokens, scorer = TokenStore.open(store_of_tokens), scorer_of(model, section.precision)
    used = section.model_dump() | {"teacher": teacher, "fingerprint": fingerprint_of(scorer)}
    inputs = [store_of_tokens, *read, model]
    known = KnownPairs(pairs, tokens)
    name = f"score-{target.parent.name}-{teacher}"

    # The store first: a second run of the same teacher waits there, until all is written.
    with ScoreStore.opened(scorer) as store, work_directory(name, "score", used, inputs) as work:
        plan = Plan.made(work / "plan", known, ranges, store, section.pairs_per_part)
        with track(name, used, work) as record, workers(Work(begin_scoring, model), place) as each:
            score_missing(store, plan, each, tokens, section.precision, teacher, record.log)
        with whole_directory(target, made_by, used, inputs) as draft:
            draft.counts["scores"] = write_scores(draft.path, known, ranges, store)
