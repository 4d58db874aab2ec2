"""What teach and distil share: from stored triples to a trained ranker's directory."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory, work_directory, write_json
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokens import TextTokenizer, TokenStore, copy_tokenizer, refuse_other_vocabulary
from distilrank.params import Params
from distilrank.rankers.architectures import (
    begin_ranker,
    check_fits,
    pretrained,
    pretrained_config,
    trained,
    trained_config,
)
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.scoring.labels import scores_of
from distilrank.sections import Student, Teacher
from distilrank.stages.record import Track
from distilrank.training.batches import TripleDataset
from distilrank.training.losses import loss_for
from distilrank.training.trainer import TrainingTask, train
from distilrank.training.validation import DevValidation


@dataclass(frozen=True)
class Lesson:
    """What a model learns from: triples, with a teacher's scores or without, of these directories; whatever of the
    params chose them; and the trained ranker whose layers it starts from, else the backbone's."""

    loss: str
    triples: pl.DataFrame
    inputs: list[Path]
    chosen_by: Mapping[str, Any]
    start: Path | None = None


def build_model(params: Params, name: str, section: Teacher | Student, lesson: Lesson, track: Track) -> None:
    """Trains models/<name>/."""
    inputs = [layout.COLLECTION, layout.TOKENS, layout.CANDIDATES, *lesson.inputs]
    inputs += [lesson.start] if lesson.start else []
    used = {
        "ranker": section.ranker.model_dump(),
        "training": section.training.model_dump(),
        "loss": lesson.loss,
        "temperature": section.temperature,
        **lesson.chosen_by,
        "tokens": params.tokens.model_dump(),
        "backbone": (section.backbone or params.backbone).model_dump(),
        "validation": params.validation.model_dump(),
    }
    task = _task(params, section, lesson)
    with work_directory(f"train-{name}", used, inputs) as work, track(name, used, work) as record:
        ranker, history = train(task, work, record.log)
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


def _task(params: Params, section: Teacher | Student, lesson: Lesson) -> TrainingTask:
    """The training, once all that could refuse it has been asked."""
    backbone = locate_backbone(section.backbone or params.backbone)
    tokens, tokenizer = TokenStore.open(layout.TOKENS), TextTokenizer(layout.TOKENS)
    if section.backbone:
        refuse_other_vocabulary(backbone, tokenizer)
    config = trained_config(lesson.start) if lesson.start else pretrained_config(backbone)
    check_fits(section.ranker, config, params.tokens, tokenizer)
    chosen_device()
    candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    validate = DevValidation(Collection.read(layout.COLLECTION), candidates, tokens, params.validation)
    scores = scores_of(lesson.triples) if "positive_score" in lesson.triples.columns else None
    dataset = TripleDataset(lesson.triples, tokens, scores)

    def begin() -> Ranker:
        source = trained(lesson.start) if lesson.start else pretrained(backbone)
        return begin_ranker(section.ranker, source, params.tokens, tokenizer)

    return TrainingTask(begin, section.training, loss_for(lesson.loss, section.temperature), dataset, validate)
