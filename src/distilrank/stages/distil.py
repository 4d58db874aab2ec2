"""distil: a student that learns a teacher's margins, or, without one, the same student's control."""

import polars as pl

from distilrank import layout
from distilrank.artifacts import built
from distilrank.data.triples import TRIPLES
from distilrank.errors import ParamsError
from distilrank.params import PARAMS_FILE, Params, distilled_name, seeded_name
from distilrank.scoring.labels import read_labels
from distilrank.sections import Student
from distilrank.stages.record import Track
from distilrank.stages.trained_model import Lesson, build_model


def distil(params: Params, name: str, teacher: str | None, track: Track, seed: int | None = None) -> None:
    """Trains the student by its own seed, or by one of `matrix.seeds`. Raises ParamsError, MissingInput."""
    section = params.student(name)
    model = name if teacher is None else distilled_name(name, teacher)
    if seed is not None:
        section, model = _by_seed(params, section, seed), seeded_name(model, seed)
    if teacher is None:
        triples = pl.read_parquet(built(layout.TRIPLES / TRIPLES))
        build_model(params, model, section, Lesson(section.control_loss, triples, [layout.TRIPLES], {}), track)
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
    lesson = Lesson(section.loss, read_labels(labels), [labels], {"teacher": teacher, "start": section.start}, start)
    build_model(params, model, section, lesson, track)


def _by_seed(params: Params, section: Student, seed: int) -> Student:
    if seed not in params.matrix.seeds:
        raise ParamsError(
            f"{PARAMS_FILE}: matrix.seeds",
            got=f"no seed {seed}",
            expected=f"one of {params.matrix.seeds}",
            remedy="name one of these, or add the seed",
        )
    return section.model_copy(update={"training": section.training.model_copy(update={"seed": seed})})
