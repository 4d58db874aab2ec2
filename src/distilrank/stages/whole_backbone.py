"""A whole backbone as an untrained dense ranker. It is measured, and tells which queries are alike."""

from pathlib import Path

from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, pretrained, pretrained_config
from distilrank.sections.data import Backbone


def whole_backbone(params: Params, backbone: Backbone, tokens: Path) -> Ranker:
    """All its layers, mean-pooled and compared by cosine, as models of sentence similarity are meant to be used."""
    folder = locate_backbone(backbone)
    layers = pretrained_config(folder).num_hidden_layers
    ranker = DotParams(layers=layers, pooling="mean", normalise=True)
    begun = begin_ranker(ranker, pretrained(folder), params.tokens, TextTokenizer(tokens))
    begun.train(False)
    return begun.on(chosen_device())
