"""What teach and distil share: from stored triples to a trained ranker's directory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built, write_json
from distilrank.artifacts.locks import alone_with
from distilrank.artifacts.work import work_directory
from distilrank.config.models import Student, Teacher
from distilrank.config.params import Params
from distilrank.config.starts import Source
from distilrank.data.collection import TRAIN, Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError, InputError, TrainingError
from distilrank.labels.labels import scores_of
from distilrank.losses.base import Loss
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import check_fits
from distilrank.rankers.origin import Origin
from distilrank.sections.training import Precision
from distilrank.stages.begun import begun, origin_of
from distilrank.stages.record import Track
from distilrank.training.batches import TripleDataset
from distilrank.training.divergence import Diverged
from distilrank.training.history import History
from distilrank.training.lora import check_adapters
from distilrank.training.processes import together
from distilrank.training.train import refuse_too_many, take_part, train
from distilrank.training.trainer import Observer, TrainingTask
from distilrank.training.validation import DevValidation

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Lesson:
    """What a model learns from: triples, with a teacher's scores or without, of these directories; whatever of the
    params chose them; what it starts from; and the splits that the triples' queries may be of."""

    loss: Loss
    triples: pl.DataFrame
    inputs: list[Path]
    chosen_by: Mapping[str, Any]
    start: Source
    splits: tuple[str, ...] = (TRAIN,)


def build_model(
    stage: str, params: Params, name: str, section: Teacher | Student, lesson: Lesson, track: Track
) -> None:
    """Trains models/<name>/ for `stage`: teach or distil. Raises InputError where another process trains it.

    Of several processes that were launched together, the first alone writes and tracks.
    """
    origin, tokenizer = origin_of(params, lesson.start), TextTokenizer(layout.TOKENS)
    fits = check_fits(section.ranker, origin.config(), params.tokens, tokenizer)
    check_adapters(fits, section.training.lora)
    along = origin.comes_along(fits)
    task = _task(params, section, lesson, origin)
    with together(chosen_device()) as among:
        refuse_too_many(task, among)
        if among.first:
            if along:
                print(f"models/{name}: besides its layers, taken from {lesson.start}: {', '.join(along)}", flush=True)
            used = _used(params, section, lesson, along)
            _write_model(stage, name, used, lesson, partial(train, task, among=among), track)
        else:
            # The first tells of it.
            with suppress(Diverged):
                take_part(task, among)


def _write_model(
    stage: str,
    name: str,
    used: Mapping[str, Any],
    lesson: Lesson,
    trained: Callable[[Path, Observer], tuple[Ranker, History]],
    track: Track,
) -> None:
    inputs = [layout.COLLECTION, layout.TOKENS, layout.CANDIDATES, *lesson.inputs]
    inputs += [layout.MODELS / lesson.start.model] if lesson.start.model else []
    with (
        alone_with(layout.MODELS / name),
        work_directory(f"train-{name}", stage, used, inputs) as work,
        track(name, used, work) as record,
    ):
        with _saved_batch(name, lesson, work):
            ranker, history = trained(work, record.log)
        with whole_directory(layout.MODELS / name, f"distilrank train {name}", used, inputs) as draft:
            ranker.save_pretrained(draft.path)
            copy_tokenizer(layout.TOKENS, draft.path)
            write_json(draft.path / "history.json", asdict(history))
            draft.counts |= {
                "parameters": ranker.num_parameters(),
                "triples": len(lesson.triples),
                "best step": history.best_step,
            }
        record.finish(layout.MODELS / name)


def _used(params: Params, section: Teacher | Student, lesson: Lesson, along: list[str]) -> dict[str, Any]:
    """What of the params makes the model what it is."""
    return {
        "ranker": section.ranker.model_dump(),
        "training": section.training.model_dump(),
        "loss": lesson.loss.model_dump(),
        "start": lesson.start.told() | {"came along": along},
        **lesson.chosen_by,
        "tokens": params.tokens.model_dump(),
        "backbone": (section.backbone or params.backbone).model_dump(),
        "validation": params.validation.model_dump(),
    }


@contextmanager
def _saved_batch(name: str, lesson: Lesson, work: Path) -> Iterator[None]:
    """Raises TrainingError where a training diverges, and saves the triples of the batch."""
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


def _task(params: Params, section: Teacher | Student, lesson: Lesson, origin: Origin) -> TrainingTask:
    """The training, once all that could refuse it has been asked."""
    tokens = TokenStore.open(layout.TOKENS)
    _refuse_precision(section.training.precision, chosen_device())
    candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    collection = Collection.read(layout.COLLECTION)
    _refuse_other_queries(lesson, collection)
    validate = DevValidation(collection, candidates, tokens, params.validation, section.training.precision)
    scores = scores_of(lesson.triples) if "positive_score" in lesson.triples.columns else None
    dataset = TripleDataset(tokens.triple_rows(lesson.triples), tokens.texts, scores)
    begin = partial(begun, params, section, origin)
    return TrainingTask(begin, section.training, lesson.loss, dataset, validate)


def _refuse_precision(precision: Precision, device: "torch.device") -> None:
    """Raises InputError for bfloat16 on a card that has none, and for float16 on a processor."""
    import torch

    card = device.type == "cuda"
    if (precision == "bfloat16" and card and not torch.cuda.is_bf16_supported()) or (
        precision == "float16" and not card
    ):
        raise InputError(
            "training.precision",
            got=f"{precision}, in which {'this card' if card else 'a processor'} does not train",
            expected="a precision that it trains in",
            remedy="set precision: float32",
        )


def _refuse_other_queries(lesson: Lesson, collection: Collection) -> None:
    """Raises CollectionError for triples of dev or test queries: whoever wrote them, a model would learn its test."""
    allowed = collection.queries.filter(pl.col("split").is_in(lesson.splits))
    others = lesson.triples.select("query_id").join(allowed, on="query_id", how="anti")
    if len(others):
        raise CollectionError(
            " and ".join(map(str, lesson.inputs)),
            got=f"{len(others):,} triples of other queries (the first: '{others['query_id'][0]}')",
            expected=f"queries of the split {' or '.join(lesson.splits)}",
            remedy="build what is out of date: dvc repro",
        )
