"""What teach and distil share: from stored triples to a trained ranker's directory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from distilrank.artifacts import layout
from distilrank.artifacts.costs import Meter
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import write_json
from distilrank.artifacts.locks import alone_with
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import tokens_of
from distilrank.config.models import Student, Teacher
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import TrainingError
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import check_fits
from distilrank.stages.begun import origin_of
from distilrank.stages.lesson import Lesson, task_of
from distilrank.stages.record import Track
from distilrank.training.divergence import Diverged
from distilrank.training.history import History
from distilrank.training.lora import check_adapters
from distilrank.training.processes import together
from distilrank.training.train import refuse_too_many, take_part, train
from distilrank.training.trainer import Observer


def build_model(
    stage: str, params: Params, name: str, section: Teacher | Student, lesson: Lesson, track: Track
) -> None:
    """Trains models/<name>/ for `stage`: teach or distil. Raises InputError if another process trains it.

    Of several processes that were launched together, only the first writes and tracks.
    """
    store = tokens_of(params, name)
    origin = origin_of(params, lesson.start, store)
    fits = check_fits(section.ranker, origin.config(), params.tokens, TextTokenizer(store))
    check_adapters(fits, section.training.lora)
    along = origin.comes_along(fits)
    task = task_of(params, section, lesson, origin, store)
    with together(chosen_device()) as among:
        refuse_too_many(task, among)
        if among.first:
            if along:
                print(f"models/{name}: besides its layers, taken from {lesson.start}: {', '.join(along)}", flush=True)
            used = _used(params, section, lesson, along)
            _write_model(
                stage, name, used, lesson, store, lesson.read(params), partial(train, task, among=among), track
            )
        else:
            # The first tells of it.
            with suppress(Diverged):
                take_part(task, among)


def _write_model(
    stage: str,
    name: str,
    used: Mapping[str, Any],
    lesson: Lesson,
    store: Path,
    read: list[Path],
    trained: Callable[[Path, Observer], tuple[Ranker, History]],
    track: Track,
) -> None:
    inputs = list(dict.fromkeys([layout.COLLECTION, store, layout.CANDIDATES, *read]))
    with (
        alone_with(layout.MODELS / name),
        work_directory(f"train-{name}", stage, used, inputs) as work,
        track(name, used, work) as record,
    ):
        meter = Meter(work)

        def observe(step: int, figures: Mapping[str, float]) -> None:
            record.log(step, figures)
            meter.remember()

        with _saved_batch(name, lesson, work):
            ranker, history = trained(work, observe)
        made_with = {**used, "chosen": history.chosen}
        with whole_directory(layout.MODELS / name, f"distilrank train {name}", made_with, inputs) as draft:
            ranker.save_pretrained(draft.path)
            copy_tokenizer(store, draft.path)
            write_json(draft.path / "history.json", asdict(history))
            draft.counts |= {
                "parameters": ranker.num_parameters(),
                "triples": len(lesson.triples),
                "best step": history.best_step,
            }
        meter.read().keep(layout.MODELS / name)
        record.finish(layout.MODELS / name)


def _used(params: Params, section: Teacher | Student, lesson: Lesson, along: list[str]) -> dict[str, Any]:
    """The params that the model depends on."""
    return {
        "ranker": section.ranker.model_dump(),
        "training": section.training.model_dump(),
        "loss": lesson.loss.model_dump(),
        "in_batch": lesson.in_batch and lesson.in_batch.model_dump(),
        "start": lesson.start.told() | {"came along": along},
        **lesson.chosen_by,
        "tokens": params.tokens.model_dump(),
        "backbone": (section.backbone or params.backbone).model_dump(),
        "validation": params.validation.model_dump(),
    }


@contextmanager
def _saved_batch(name: str, lesson: Lesson, work: Path) -> Iterator[None]:
    """Raises TrainingError if a training diverges, and saves the triples of the batch."""
    try:
        yield
    except Diverged as error:
        file = work / "diverged.json"
        write_json(file, lesson.triples[error.numbers].to_dicts())
        raise TrainingError(
            layout.MODELS / name,
            got=str(error),
            expected="a loss that is finite, and not a thousand times as high as the first ones",
            remedy=f"look at the triples of that batch ({file}), or lower the learning rate",
        ) from error
