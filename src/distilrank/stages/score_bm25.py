"""score-bm25: scores every pair of a set of triples by BM25, and labels the triples with the scores."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.triples import pairs_of
from distilrank.progress import progress
from distilrank.retrieval.bm25 import BM25
from distilrank.scoring.scores import scan_scores, write_part
from distilrank.sections.data import BM25 as NAME
from distilrank.stages.labelled import label_triples, pairs_to_score, scored_ranges


def score_bm25(params: Params, triples: str) -> None:
    params.triples_named(triples)
    directory, scores = layout.TRIPLES / triples, layout.SCORES / triples / NAME
    collection, pairs = Collection.read(layout.COLLECTION), pairs_to_score(directory)
    ranges = scored_ranges(params, triples)
    bm25 = BM25(collection.passage_ids(), collection.passage_texts(), params.candidates)
    used, inputs = params.candidates.model_dump(include={"k1", "b", "stemmer"}), [layout.COLLECTION, directory]
    made_by = f"distilrank score-bm25 {triples}"
    with whole_directory(scores, made_by, used, inputs) as draft, progress("ranges scored", len(ranges)) as advance:
        for number, queries in enumerate(ranges):
            scored = bm25.score(collection.queries, pairs_of(queries.of(pairs)))
            write_part(scored, draft.path, number)
            draft.counts["scores"] = draft.counts.get("scores", 0) + len(scored)
            advance(1)
    scan = scan_scores(scores)
    # What it only adds to an ensemble teaches nobody by itself: negatives that it found rank above many a positive.
    limit = None if NAME in params.matrix.teachers else 1.0
    label_triples(params, NAME, triples, lambda queries: queries.of(scan).collect(), used, [scores], limit)
