"""score: a teacher's score for every pair of a set of triples, each pair once, and these triples labelled with them.

Whatever the store of its scores holds already is not scored again.
"""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.params import Params
from distilrank.data.query_ranges import query_ranges
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_by_range
from distilrank.rankers.device import chosen_device
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import begin_scoring
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import scan_scores, write_scores
from distilrank.scoring.store import ScoreStore, fingerprint_of, scorer_of
from distilrank.stages.labelled import label_triples, pairs_to_score
from distilrank.stages.record import Track
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace


def score(params: Params, teacher: str, triples: str, track: Track) -> None:
    params.teacher(teacher)
    params.triples_named(triples)
    place = Workplace.chosen()
    if not place.ray_address:
        chosen_device()  # refused here; on Ray it is for the workers to say
    section, model = params.scoring, layout.MODELS / teacher
    store_of_tokens = tokens_of(params, teacher)
    tokens = TokenStore.open(store_of_tokens)
    directory, scores = layout.TRIPLES / triples, layout.SCORES / triples / teacher
    pairs = pairs_to_score(directory)
    scorer = scorer_of(model, section.precision)
    used = section.model_dump() | {"teacher": teacher, "fingerprint": fingerprint_of(scorer)}
    inputs = [store_of_tokens, directory, model]
    ranges = query_ranges(pairs, section.pairs_at_once)
    known = KnownPairs(pairs_by_range(pairs), tokens)
    name = f"score-{triples}-{teacher}"

    # The store first: a second run of the same teacher waits there, until all is written.
    with ScoreStore.opened(scorer) as store, work_directory(name, "score", used, inputs) as work:
        plan = Plan.made(work / "plan", known, ranges, store, section.pairs_per_part)
        with track(name, used, work) as record, workers(Work(begin_scoring, model), place) as each:
            score_missing(store, plan, each, tokens, section.precision, teacher, record.log)
        with whole_directory(scores, f"distilrank score {teacher} {triples}", used, inputs) as draft:
            draft.counts["scores"] = write_scores(draft.path, known, ranges, store)
        scored = scan_scores(scores)
        label_triples(params, teacher, triples, lambda queries: queries.of(scored).collect(), {}, [scores])
