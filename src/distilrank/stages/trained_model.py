"""What teach and distil share: from stored triples to a trained ranker's directory."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from distilrank import layout
from distilrank.artifacts import whole_directory, work_directory, write_json
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore, copy_tokenizer
from distilrank.params import LossName, Params, Student, Teacher
from distilrank.rankers.architectures import begin_ranker
from distilrank.scoring.store import read_scores, triple_scores
from distilrank.training.batches import TripleDataset
from distilrank.training.losses import LOSSES
from distilrank.training.trainer import History, Observer, train
from distilrank.training.validation import DevReranking


def build_model(
    params: Params, name: str, section: Teacher | Student, loss: LossName, teacher: str | None, observe: Observer
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
    tokens = TokenStore.open(layout.TOKENS)
    candidates = pl.read_parquet(layout.CANDIDATES / "candidates.parquet")
    validate = DevReranking(Collection.read(layout.COLLECTION), candidates, tokens, params.validation)
    triples = pl.read_parquet(layout.TRIPLES / "triples.parquet")
    scores = triple_scores(triples, read_scores(layout.SCORES / teacher)) if teacher else None
    dataset = TripleDataset(triples, tokens, scores)

    with work_directory(f"train-{name}", used, inputs) as work:
        ranker, history = train(
            lambda: begin_ranker(section.ranker, backbone, params.tokens, tokens.special_tokens),
            section.training, LOSSES[loss], dataset, validate, work, observe,
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


def _write_history(path: Path, history: History) -> None:
    write_json(path, asdict(history))
