"""distil: a student that learns a teacher's margins, or, without one, the same student's control."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import built
from distilrank.data.collection import TRAIN, UNLABELLED
from distilrank.data.triples import TRIPLES
from distilrank.errors import ParamsError
from distilrank.params import Params, distilled_name
from distilrank.scoring.labels import read_labels
from distilrank.stages.record import Track
from distilrank.stages.trained_model import Lesson, build_model


def distil(params: Params, name: str, teacher: str | None, track: Track) -> None:
    section = params.student(name)
    if teacher is None:
        triples = pl.read_parquet(built(layout.TRIPLES / TRIPLES))
        build_model(params, name, section, Lesson(section.control_loss, triples, [layout.TRIPLES], {}), track)
        return
    # An ensemble has no layers of its own: its first member's stand for them.
    members = params.members(teacher)
    if section.start == "teacher" and not members:
        raise ParamsError(
            f"students.{name}",
            got="start: teacher",
            expected=f"start: backbone, since of {teacher} there are scores alone",
            remedy="change it in params.yaml",
        )
    start = layout.MODELS / members[0] if section.start == "teacher" else None
    labels = layout.LABELS / teacher
    chosen_by = {"teacher": teacher, "start": section.start}
    # What was published is not labelled by us, and so never of unlabelled queries.
    splits = (TRAIN, UNLABELLED) if params.unlabelled and members else (TRAIN,)
    lesson = Lesson(section.loss, read_labels(labels), [labels], chosen_by, start, splits)
    build_model(params, distilled_name(name, teacher), section, lesson, track)
