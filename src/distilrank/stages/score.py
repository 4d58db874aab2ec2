"""score: a teacher's score for every pair of the triples, each pair once, and the triples labelled with them."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory, work_directory
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_of
from distilrank.params import Params
from distilrank.progress import progress
from distilrank.rankers.architectures import load_ranker
from distilrank.scoring.parts import score_parts
from distilrank.scoring.store import check_complete, read_scores, scored_already
from distilrank.stages.labelled import write_labels


def score(params: Params, teacher: str) -> None:
    params.teacher(teacher)
    tokens = TokenStore.open(layout.TOKENS)
    triples = pl.read_parquet(built(layout.TRIPLES / "triples.parquet"))
    pairs = pairs_of(triples)
    model = layout.MODELS / teacher
    ranker = load_ranker(model)
    used = params.scoring.model_dump() | {"teacher": teacher}
    inputs = [layout.TOKENS, layout.TRIPLES, model]

    with work_directory(f"score-{teacher}", used, inputs) as work:
        with progress(f"pairs scored by {teacher}", len(pairs), scored_already(work)) as advance:
            score_parts(ranker, tokens, pairs, params.scoring.pairs_per_part, work, advance)
        scores = read_scores(work)
        check_complete(scores, pairs)
        with whole_directory(layout.SCORES / teacher, f"distilrank score {teacher}", used, inputs) as draft:
            scores.write_parquet(draft.path / "part-00000.parquet")
            draft.counts |= {"triples": len(triples), "pairs": len(pairs), "scores": len(scores)}
        write_labels(teacher, scores, {"teacher": teacher}, [layout.SCORES / teacher])
