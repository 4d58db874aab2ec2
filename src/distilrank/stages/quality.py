"""quality: of all labels: what share of a teacher's margins is negative, and how far teachers agree."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, write_json
from distilrank.config.params import Params
from distilrank.labels.labels import FILE
from distilrank.labels.quality import quality as figures_of


def quality(params: Params) -> None:
    labels = {name: pl.scan_parquet(built(layout.LABELS / name / FILE)) for name in params.label_names()}
    write_json(layout.LABEL_QUALITY, figures_of(labels))
