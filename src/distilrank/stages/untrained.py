"""What was not trained, ready to score: what each student begins from, and the whole backbone as a dense ranker."""

from collections.abc import Callable, Mapping
from functools import partial

# That of transformers imports peft, where it is installed.
from accelerate.utils import set_seed  # type: ignore[import-untyped]  # untyped in accelerate

from distilrank.artifacts import layout
from distilrank.config.derived import starts
from distilrank.config.names import BACKBONE
from distilrank.config.params import Params
from distilrank.config.starts import Start
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, pretrained, pretrained_config
from distilrank.stages.begun import begun, origin_of


def untrained(params: Params) -> Mapping[str, Callable[[], Ranker]]:
    """By their names in the results, what makes each ranker that was not trained, ready to score."""
    return {BACKBONE: partial(_backbone, params)} | {
        start.name: partial(_start, params, start) for start in starts(params)
    }


def _start(params: Params, start: Start) -> Ranker:
    student = params.student(start.student)
    # As the training begins, so that a head is the one that it begins with.
    set_seed(student.training.seed)
    return _ready(begun(params, student, origin_of(params, start.source)))


def _backbone(params: Params) -> Ranker:
    """All its layers, mean-pooled, compared by cosine: as models that find similar sentences are made to be used."""
    folder = locate_backbone(params.backbone)
    layers = pretrained_config(folder).num_hidden_layers
    ranker = DotParams(layers=layers, pooling="mean", normalise=True)
    return _ready(begin_ranker(ranker, pretrained(folder), params.tokens, TextTokenizer(layout.TOKENS)))


def _ready(ranker: Ranker) -> Ranker:
    ranker.train(False)
    return ranker.on(chosen_device())
