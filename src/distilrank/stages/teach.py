"""teach: a teacher, trained on labels alone."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.triples import TRIPLES
from distilrank.stages.record import Track
from distilrank.stages.trained_model import Lesson, build_model


def teach(params: Params, name: str, track: Track) -> None:
    section = params.trained_teacher(name)
    directory = layout.TRIPLES / params.learned_by(section)
    lesson = Lesson(section.loss, pl.read_parquet(built(directory / TRIPLES)), [directory], {})
    build_model("teach", params, name, section, lesson, track)
