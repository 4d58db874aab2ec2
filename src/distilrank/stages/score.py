"""score: scores every pair of a set of triples by a teacher, each pair once, and labels the triples with the scores."""

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.query_ranges import query_ranges
from distilrank.data.triples import pairs_by_range
from distilrank.scoring.scores import scan_scores
from distilrank.stages.labelled import label_triples, pairs_to_score
from distilrank.stages.record import Track
from distilrank.stages.teacher_scores import workplace, write_teacher_scores


def score(params: Params, teacher: str, triples: str, track: Track) -> None:
    params.teacher(teacher)
    params.triples_named(triples)
    place = workplace()
    directory, scores = layout.TRIPLES / triples, layout.SCORES / triples / teacher
    pairs = pairs_to_score(directory)
    ranges = query_ranges(pairs, params.scoring.pairs_at_once)
    made_by = f"distilrank score {teacher} {triples}"
    write_teacher_scores(params, teacher, scores, made_by, pairs_by_range(pairs), ranges, [directory], track, place)
    scored = scan_scores(scores)
    label_triples(params, teacher, triples, lambda queries: queries.of(scored).collect(), {}, [scores])
