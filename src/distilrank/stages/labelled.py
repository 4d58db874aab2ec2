"""What score and ensemble share: a teacher's scores as labels of the triples."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory
from distilrank.data.query_ranges import QueryRange, query_ranges
from distilrank.params import Params
from distilrank.scoring.labelling import write_labels
from distilrank.scoring.labels import FILE
from distilrank.scoring.quality import refuse_inverted


def label_triples(
    params: Params,
    teacher: str,
    scores_of_range: Callable[[QueryRange], pl.DataFrame],
    used: Mapping[str, Any],
    sources: Sequence[Path],
) -> None:
    """Writes labels/<teacher>/ from scores (query_id, passage_id, score) that come from `sources`."""
    triples = built(layout.TRIPLES / "triples.parquet")
    ranges = query_ranges(pl.scan_parquet(triples), params.scoring.pairs_at_once)
    inputs = [layout.TRIPLES, *sources]
    used = {"teacher": teacher, **used}
    with whole_directory(layout.LABELS / teacher, f"distilrank labels of {teacher}", used, inputs) as draft:
        draft.counts["triples"] = write_labels(draft.path / FILE, triples, ranges, scores_of_range)
        refuse_inverted(teacher, pl.scan_parquet(draft.path / FILE), params.labels.most_negative_margins)
