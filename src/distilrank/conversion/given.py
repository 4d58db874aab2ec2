"""Turns trained checkpoints, of others or of ours, into rankers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModel, AutoTokenizer

from distilrank.artifacts.files import write_json
from distilrank.conversion.classifiers import open_classifier
from distilrank.conversion.forms import WEIGHTS, Form, form_of, refuse_pickles, refused
from distilrank.conversion.from_sentence_transformers import (
    open_cross_encoder,
    open_multi_vector,
    open_sentence_transformer,
)
from distilrank.conversion.opened import Opened, Told, refuse_other_frame, saved_tokenizer
from distilrank.data.tokenizer import copy_tokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, load_ranker
from distilrank.sections.data import GivenTokens, Tokens


def save_given(folder: Path, target: Path, asked: GivenTokens, usual: Tokens) -> Ranker:
    """Writes the checkpoint in `folder` to `target` as a ranker with its tokenizer, and returns it.

    Lengths and prefixes are those that are `asked` for, else the checkpoint's own, else the `usual` ones. Raises
    CheckpointError, and BackboneError where the checkpoint cannot read texts of such lengths.
    """
    form = form_of(folder)
    refuse_pickles(folder)
    if form is Form.OWN:
        return _own(folder, target, asked)
    try:
        opened = _OPENED_BY[form](folder, target)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, SafetensorError) as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise refused(folder, f"{form} that cannot be read ({first_line})") from error
    ranker = begin_ranker(opened.params, opened.source, opened.told.read_as(asked, usual), opened.tokenizer)
    for name, linear in opened.linear.items():
        _take(ranker.get_submodule(name), linear)
    ranker.save_pretrained(target)
    return ranker


def _own(folder: Path, target: Path, asked: GivenTokens) -> Ranker:
    """A ranker of ours, with other lengths and prefixes where they are asked for."""
    config = json.loads((folder / "config.json").read_text("utf-8")) | asked.model_dump(exclude_none=True)
    write_json(target / "config.json", config)
    shutil.copyfile(folder / WEIGHTS, target / WEIGHTS)
    copy_tokenizer(folder, target)
    return load_ranker(target)


def _open_encoder(folder: Path, target: Path) -> Opened:
    """An encoder with all of its layers, pooled by the mean and compared by cosine."""
    model, report = AutoModel.from_pretrained(
        folder, output_loading_info=True, trust_remote_code=False, use_safetensors=True
    )
    # No ranker made here reads a pooler.
    if missing := sorted(name for name in report["missing_keys"] if not name.startswith("pooler.")):
        raise refused(folder, f"an encoder without the weights {', '.join(missing[:5])}")
    tokenizer = saved_tokenizer(AutoTokenizer.from_pretrained(folder, trust_remote_code=False), target)
    refuse_other_frame(tokenizer, folder, "a")
    params = DotParams(layers=model.config.num_hidden_layers, pooling="mean", normalise=True)
    return Opened(params, model, tokenizer, told=Told())


@torch.no_grad()
def _take(own: nn.Module, given: nn.Linear) -> None:
    """Takes over a linear layer, which may lack a bias."""
    assert isinstance(own, nn.Linear)
    own.weight.copy_(given.weight)
    own.bias.zero_() if given.bias is None else own.bias.copy_(given.bias)


_OPENED_BY: dict[Form, Callable[[Path, Path], Opened]] = {
    Form.CROSS_ENCODER: open_cross_encoder,
    Form.SENTENCE_TRANSFORMER: open_sentence_transformer,
    Form.MULTI_VECTOR: open_multi_vector,
    Form.CLASSIFIER: open_classifier,
    Form.ENCODER: _open_encoder,
}
