"""import-scores: labels from scores that others published: students then learn without a teacher at hand."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import sha256_of
from distilrank.config.names import IMPORTED
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.findings import DroppedIds
from distilrank.data.query_ranges import query_ranges
from distilrank.labels.labels import FILE, refuse_conflicts, write_in_pieces
from distilrank.labels.quality import refuse_inverted
from distilrank.labels.score_lines import PublishedScores, whole_file


def import_scores(params: Params, name: str) -> dict[str, int]:
    """Writes labels/imported/<name>/ and returns how many lines were given, left out for what, and became triples."""
    section = params.imported(name)
    file = whole_file(section)
    published = PublishedScores(file, Collection.read(layout.COLLECTION), DroppedIds.read(layout.COLLECTION))
    made_by = f"distilrank import-scores {name}"
    used = section.model_dump() | {"sha256": sha256_of(file)}
    with whole_directory(layout.LABELS / IMPORTED / name, made_by, used, [layout.COLLECTION]) as draft:
        target = draft.path / FILE
        triples = write_in_pieces(target, published.labels())
        labels = pl.scan_parquet(target)
        refuse_conflicts(file, labels, query_ranges(labels, params.scoring.pairs_at_once))
        refuse_inverted(name, labels, params.labels.most_negative_margins)
        draft.counts |= {**published.counts, "triples": triples}
    return draft.counts
