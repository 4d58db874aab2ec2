"""distil: trains a student on a teacher's margins; or its control, which is the same student without a teacher."""

from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.derived import triples_of
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.labelling import may_teach_unlabelled
from distilrank.config.models import Student
from distilrank.config.names import control_name, distilled_name, seeded_name
from distilrank.config.params import Params
from distilrank.config.starts import Source, source_of
from distilrank.data.collection import TRAIN, UNLABELLED, Collection
from distilrank.data.triples import TRIPLES, positives_of
from distilrank.errors import CollectionError, InputError, ParamsError
from distilrank.labels.labels import MARGINS_ALONE, SCORES, read_labels
from distilrank.losses.base import Loss
from distilrank.stages.lesson import Lesson
from distilrank.stages.record import Track
from distilrank.stages.trained_model import build_model


def distil(
    params: Params, name: str, teacher: str | None, track: Track, control: bool = False, seed: int | None = None
) -> None:
    """Trains a student on a teacher's scores, by its own seed, or by one of `matrix.seeds`.

    Without a teacher, it trains the control on the student's triples. As a `control` beside a teacher, it trains on the
    labelled part of the triples that this teacher's student learns from. Raises ParamsError, CollectionError,
    MissingInput.
    """
    section, model = params.student(name), name
    if teacher is not None:
        model = control_name(name, teacher) if control else distilled_name(name, teacher)
    if seed is not None:
        section, model = _by_seed(params, section, seed), seeded_name(model, seed)
    build_model("distil", params, model, section, _lesson(params, name, teacher, control), track)


def _lesson(params: Params, name: str, teacher: str | None, control: bool) -> Lesson:
    section, start = params.student(name), source_of(params, name, teacher)
    if teacher is None:
        directory = layout.TRIPLES / params.learned_by(section)
        return _unscored(section, pl.read_parquet(built(directory / TRIPLES)), directory, start)
    labels = layout.LABELS / triples_of(params, name, teacher) / teacher
    if control:
        return _unscored(section, _labelled_part(labels), labels, start)
    splits = (TRAIN, UNLABELLED) if may_teach_unlabelled(params, teacher) else (TRAIN,)
    if section.loss.reads_scores:
        _refuse_margins_alone(section.loss, labels)
    first = section.first_phase
    used = {"teacher": teacher} | ({"first_phase": first.model_dump()} if first else {})
    return Lesson(section.loss, read_labels(labels), [labels], used, start, splits, section.in_batch, first)


def _refuse_margins_alone(loss: Loss, labels: Path) -> None:
    """Raises InputError for labels of which only the margins mean something, not the scores."""
    if read_manifest(labels).counts.get(MARGINS_ALONE):
        raise InputError(
            labels,
            got=f"only margins, but the loss {loss} needs scores",
            expected="scores, or a loss that learns margins",
            remedy="set the student's loss to margin-mse",
        )


def _unscored(section: Student, triples: pl.DataFrame, source: Path, start: Source) -> Lesson:
    return Lesson(section.control_loss, triples, [source], {}, start)


def _labelled_part(labels: Path) -> pl.DataFrame:
    """The triples of labels whose positives are relevant by the qrels, in their order, without the scores."""
    relevant = positives_of(Collection.read(layout.COLLECTION).qrels_of(TRAIN))
    triples = read_labels(labels).drop(SCORES).join(relevant, on=relevant.columns, how="semi", maintain_order="left")
    if triples.is_empty():
        raise CollectionError(
            labels,
            got="no triple with a relevant positive",
            expected="one at least, because a control learns from the qrels",
            remedy="remove its students from matrix.controls_per_teacher",
        )
    return triples


def _by_seed(params: Params, section: Student, seed: int) -> Student:
    if seed not in params.matrix.seeds:
        raise ParamsError(
            f"{PARAMS_FILE}: matrix.seeds",
            got=f"no seed {seed}",
            expected=f"one of {params.matrix.seeds}",
            remedy="name one of these, or add the seed",
        )
    return section.model_copy(update={"training": section.training.model_copy(update={"seed": seed})})
