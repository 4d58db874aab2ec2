"""What teach and distil share: from stored triples to a trained ranker's directory."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from distilrank import layout
from distilrank.artifacts import built, whole_directory, work_directory, write_json
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore, copy_tokenizer
from distilrank.evaluation.history import History
from distilrank.params import LossName, Params, Student, Teacher
from distilrank.rankers.architectures import begin_ranker, check_fits
from distilrank.rankers.device import chosen_device
from distilrank.scoring.store import read_scores, triple_scores
from distilrank.training.batches import TripleDataset
from distilrank.training.losses import LOSSES
from distilrank.training.trainer import train
from distilrank.training.validation import DevReranking


class TrainingRecord(Protocol):
    """Is told of a training's figures as they come, and of the trained model; never raises."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def finish(self, directory: Path) -> None: ...


# Begins the record of a training: its name, its params, and its work directory.
Track = Callable[[str, Mapping[str, Any], Path], AbstractContextManager[TrainingRecord]]


def build_model(
    params: Params, name: str, section: Teacher | Student, loss: LossName, teacher: str | None, track: Track
) -> None:
    """Trains models/<name>/ with a loss, and with a teacher's scores where one is named."""
    inputs = [layout.COLLECTION, layout.TOKENS, layout.CANDIDATES, layout.TRIPLES]
    inputs += [layout.SCORES / teacher] if teacher else []
    used: dict[str, Any] = {
        "ranker": section.ranker.model_dump(),
        "training": section.training.model_dump(),
        "loss": loss,
        "teacher": teacher,
        "tokens": params.tokens.model_dump(),
        "backbone": params.backbone.model_dump(),
        "validation": params.validation.model_dump(),
    }
    backbone = locate_backbone(params.backbone)
    check_fits(section.ranker, backbone, params.tokens)
    chosen_device()
    tokens = TokenStore.open(layout.TOKENS)
    candidates = pl.read_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    validate = DevReranking(Collection.read(layout.COLLECTION), candidates, tokens, params.validation)
    triples = pl.read_parquet(built(layout.TRIPLES / "triples.parquet"))
    scores = triple_scores(triples, read_scores(layout.SCORES / teacher)) if teacher else None
    dataset = TripleDataset(triples, tokens, scores)

    with work_directory(f"train-{name}", used, inputs) as work, track(name, used, work) as record:
        ranker, history = train(
            lambda: begin_ranker(section.ranker, backbone, params.tokens, tokens.special_tokens),
            section.training, LOSSES[loss], dataset, validate, work, record.log,
        )  # fmt: skip
        with whole_directory(layout.MODELS / name, f"distilrank train {name}", used, inputs) as draft:
            ranker.save_pretrained(draft.path)
            copy_tokenizer(layout.TOKENS, draft.path)
            _write_history(draft.path / "history.json", history)
            draft.counts |= {
                "parameters": ranker.num_parameters(),
                "triples": len(triples),
                "best step": history.best_step,
            }
        record.finish(layout.MODELS / name)


def _write_history(path: Path, history: History) -> None:
    write_json(path, asdict(history))
