"""teach: a teacher, trained on labels alone."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.config.starts import Source
from distilrank.data.triples import TRIPLES
from distilrank.stages.lesson import Lesson
from distilrank.stages.record import Track
from distilrank.stages.trained_model import build_model


def teach(params: Params, name: str, track: Track) -> None:
    section = params.trained_teacher(name)
    start = Source(None, section.backbone or params.backbone)
    directory = layout.TRIPLES / params.learned_by(section)
    lesson = Lesson(section.loss, pl.read_parquet(built(directory / TRIPLES)), [directory], {}, start)
    build_model("teach", params, name, section, lesson, track)
