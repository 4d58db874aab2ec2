"""teach: a teacher, trained on labels alone: on the students' triples, or on a draw of its own."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.triples import TRIPLES, sample_triples
from distilrank.stages.record import Track
from distilrank.stages.trained_model import Lesson, build_model


def teach(params: Params, name: str, track: Track) -> None:
    section = params.teacher(name)
    if section.triples is None:
        triples = pl.read_parquet(built(layout.TRIPLES / TRIPLES))
    else:
        qrels = Collection.read(layout.COLLECTION).qrels_of("train")
        candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
        triples = sample_triples(qrels, candidates, section.triples, f"teachers.{name}.triples")
    draw = {"triples": section.triples.model_dump() if section.triples else None}
    lesson = Lesson(section.loss, triples, [layout.TRIPLES], draw)
    build_model("teach", params, name, section, lesson, track)
