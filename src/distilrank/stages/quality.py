"""quality: of all labels: what share of a teacher's margins is negative, and how far teachers agree."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, write_json
from distilrank.params import Params
from distilrank.scoring.labels import FILE
from distilrank.scoring.quality import quality as figures_of


def quality(params: Params) -> None:
    labels = {name: pl.scan_parquet(built(layout.LABELS / name / FILE)) for name in params.label_names()}
    write_json(layout.LABEL_QUALITY, figures_of(labels))
