"""import-scores: labels from scores that others published: students then learn without a teacher at hand."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import sha256_of, whole_directory
from distilrank.data.query_ranges import query_ranges
from distilrank.data.tokens import TokenStore
from distilrank.params import Params
from distilrank.scoring.labelling import refuse_conflicts, write_in_pieces
from distilrank.scoring.labels import FILE
from distilrank.scoring.published import read_published, whole_file
from distilrank.scoring.quality import refuse_inverted


def import_scores(params: Params, name: str) -> None:
    section = params.imported(name)
    file = whole_file(section)
    tokens = TokenStore.open(layout.TOKENS)
    made_by = f"distilrank import-scores {name}"
    used = section.model_dump() | {"sha256": sha256_of(file)}
    with whole_directory(layout.LABELS / name, made_by, used, [layout.TOKENS]) as draft:
        target = draft.path / FILE
        draft.counts["triples"] = write_in_pieces(target, read_published(file, tokens))
        labels = pl.scan_parquet(target)
        refuse_conflicts(file, labels, query_ranges(labels, params.scoring.pairs_at_once))
        refuse_inverted(name, labels, params.labels.most_negative_margins)
