"""Sequence classifiers with one label, in transformers' form. They become a `cat` where that computes the same."""

from itertools import groupby
from pathlib import Path
from typing import cast

from tokenizers import Encoding
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from distilrank.conversion.forms import refused
from distilrank.conversion.opened import Opened, Told, saved_tokenizer
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import CheckpointError
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.classifier.params import ClassifierParams

# This class computes what a `cat` with a pooler computes. Others have the same parts and compute something else.
_CAT = "BertForSequenceClassification"


def open_classifier(folder: Path, target: Path) -> Opened:
    """Reads a classifier, and writes its tokenizer to `target`. Raises CheckpointError."""
    model, report = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True, trust_remote_code=False, use_safetensors=True
    )
    if missing := sorted(report["missing_keys"]):
        raise refused(folder, f"a classifier without the weights {', '.join(missing[:5])}")
    return classifier(model, AutoTokenizer.from_pretrained(folder, trust_remote_code=False), folder, target, Told())


def classifier(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, target: Path, told: Told
) -> Opened:
    """A classifier that was loaded from `folder`."""
    text_tokenizer = saved_tokenizer(tokenizer, target)
    params = _params(model, text_tokenizer, "token_type_ids" in tokenizer.model_input_names, folder)
    special = text_tokenizer.special_tokens
    begin, middle, end = [special.cls], [special.sep], [special.sep]
    usual = (params.begin, params.middle, params.end, params.segments) == (begin, middle, end, [0, 0, 0, 1, 1])
    if type(model).__name__ == _CAT and usual:
        cat = CatParams(layers=params.layers, pooling="pooler")
        backbone, head = cast(PreTrainedModel, model.base_model), cast(nn.Linear, model.get_submodule("classifier"))
        return Opened(cat, backbone, text_tokenizer, {"head": head}, told)
    return Opened(params, model, text_tokenizer, told=told)


def _params(model: PreTrainedModel, tokenizer: TextTokenizer, has_segments: bool, folder: Path) -> ClassifierParams:
    """How the tokenizer frames a pair, found by framing one."""
    framed = tokenizer.framed("a", "a")
    # The parts of the pair, and whose their tokens are: the first text's, the second's, or neither's.
    parts = [(whose, list(places)) for whose, places in groupby(range(len(framed)), framed.sequence_ids.__getitem__)]
    if [whose for whose, _ in parts] != [None, 0, None, 1, None]:
        raise CheckpointError(
            folder,
            got="a tokenizer that joins two texts in another way",
            expected="special tokens before, between and after the two texts",
            remedy="name another checkpoint, or import its scores",
        )
    begin, _, middle, _, end = ([framed.ids[place] for place in places] for _, places in parts)
    return ClassifierParams(
        layers=model.config.num_hidden_layers,
        begin=begin,
        middle=middle,
        end=end,
        segments=_segments(framed, [places for _, places in parts]) if has_segments else None,
    )


def _segments(framed: Encoding, parts: list[list[int]]) -> list[int]:
    return [framed.type_ids[places[0]] for places in parts]
