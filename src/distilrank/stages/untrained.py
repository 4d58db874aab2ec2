"""Untrained rankers, ready to score: what each student begins from, and the whole backbone as a dense ranker."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

# That of transformers imports peft, where it is installed.
from accelerate.utils import set_seed  # type: ignore[import-untyped]  # untyped in accelerate

from distilrank.config.derived import starts
from distilrank.config.names import BACKBONE
from distilrank.config.params import Params
from distilrank.config.starts import Start
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.stages.begun import begun, origin_of
from distilrank.stages.whole_backbone import whole_backbone


def untrained(params: Params) -> Mapping[str, Callable[[Path], Ranker]]:
    """By names in the results, functions that make each untrained ranker, ready to score.

    Each takes a token store, whose tokenizer the ranker gets.
    """
    return {BACKBONE: partial(_backbone, params)} | {
        start.name: partial(_start, params, start) for start in starts(params)
    }


def _start(params: Params, start: Start, tokens: Path) -> Ranker:
    student = params.student(start.student)
    # As the training begins, so that a head is the one that it begins with.
    set_seed(student.training.seed)
    ranker = begun(params, student, origin_of(params, start.source, tokens), tokens)
    ranker.train(False)
    return ranker.on(chosen_device())


def _backbone(params: Params, tokens: Path) -> Ranker:
    return whole_backbone(params, params.backbone, tokens)
