"""What score and ensemble share: a teacher's scores as labels of the triples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory
from distilrank.scoring.labels import FILE, label


def write_labels(teacher: str, scores: pl.DataFrame, used: Mapping[str, Any], sources: Sequence[Path]) -> None:
    """Writes labels/<teacher>/ from scores (query_id, passage_id, score) that come from `sources`."""
    triples = pl.read_parquet(built(layout.TRIPLES / "triples.parquet"))
    inputs = [layout.TRIPLES, *sources]
    with whole_directory(layout.LABELS / teacher, f"distilrank labels of {teacher}", used, inputs) as draft:
        labels = label(triples, scores)
        labels.write_parquet(draft.path / FILE)
        draft.counts |= {"triples": len(labels)}
