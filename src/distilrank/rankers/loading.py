"""Begins a ranker on a pretrained transformer, and loads a trained ranker."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from distilrank.artifacts.files import built
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError, MissingInput
from distilrank.rankers.acceleration import Acceleration
from distilrank.rankers.base import Ranker, RankerConfig
from distilrank.rankers.device import chosen_device
from distilrank.rankers.halves import layers_of
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import architecture_of
from distilrank.rankers.transformer import TransformerRanker
from distilrank.sections.data import Tokens

# With `layers`, part of a checkpoint is left out on purpose, so transformers should not warn about it.
logging.set_verbosity_error()
logging.disable_progress_bar()


def begin_ranker(params: RankerParams, source: PreTrainedModel, lengths: Tokens, tokenizer: TextTokenizer) -> Ranker:
    """A ranker on the lower layers, or the word embeddings, of a pretrained transformer.

    Raises BackboneError if the transformer has fewer layers or positions than the params ask for, or lacks a [MASK]
    that they need.
    """
    if params.reads_mask and tokenizer.special_tokens.mask is None:
        raise BackboneError(
            "backbone",
            got="a tokenizer without a mask token",
            expected="one with a mask token, because query_masks and expand_queries need it",
            remedy="remove query_masks and expand_queries",
        )
    config = RankerConfig(
        ranker=params.model_dump(),
        **lengths.model_dump(),
        cls_token_id=tokenizer.special_tokens.cls,
        sep_token_id=tokenizer.special_tokens.sep,
        pad_token_id=tokenizer.special_tokens.pad,
        mask_token_id=tokenizer.special_tokens.mask,
    )
    return architecture_of(params.architecture).ranker().started_from(source, config, tokenizer)


def check_fits(params: RankerParams, source: PreTrainedConfig, lengths: Tokens, tokenizer: TextTokenizer) -> Ranker:
    """A ranker without weights. Raises BackboneError if no ranker can begin on a transformer with this config."""
    try:
        with torch.device("meta"):
            return begin_ranker(params, AutoModel.from_config(source), lengths, tokenizer)
    except (AttributeError, TypeError, ValueError) as error:
        raise BackboneError(
            f"backbone of type {source.model_type}",
            got=f"a transformer that does not fit ({error})",
            expected="an encoder of the kind of bert, distilbert, albert, electra, roberta or modernbert",
            remedy="name another backbone in params.yaml",
        ) from error


def pretrained_config(backbone: Path) -> PreTrainedConfig:
    """The configuration of the backbone in a folder."""
    config: PreTrainedConfig = AutoConfig.from_pretrained(backbone)
    return config


def pretrained(backbone: Path) -> PreTrainedModel:
    """The backbone in a folder."""
    model: PreTrainedModel = AutoModel.from_pretrained(backbone)
    return model


def trained_config(model: Path) -> PreTrainedConfig:
    """The configuration of a trained ranker's backbone. Raises BackboneError if it has none, and MissingInput."""
    backbone = json.loads(built(model / "config.json").read_text("utf-8"))["backbone"]
    if "model_type" not in backbone:
        raise BackboneError(
            model,
            got="a ranker without a transformer",
            expected="a ranker that a student can start from",
            remedy="name another one as start",
        )
    config: PreTrainedConfig = AutoConfig.for_model(**backbone)
    return config


def trained(model: Path) -> PreTrainedModel:
    """The backbone of a trained ranker, which must have one."""
    return cast(PreTrainedModel, cast(Any, load_ranker(model)).backbone)


def load_ranker(directory: Path) -> Ranker:
    """The ranker that `save_pretrained` wrote, on the chosen device, ready to score. Raises MissingInput."""
    entry = json.loads(built(directory / "config.json").read_text("utf-8"))["ranker"]
    kind = architecture_of(entry["architecture"]).ranker()
    loaded: Any = kind.from_pretrained(directory, output_loading_info=True)
    ranker: Ranker = loaded[0]
    report = loaded[1]
    if strange := [*report["missing_keys"], *report["unexpected_keys"]]:
        raise MissingInput(
            directory / "model.safetensors",
            got=f"weights that are missing or unknown: {', '.join(sorted(strange)[:5])}",
            expected="those of the ranker in config.json",
            remedy="build it with `dvc repro`, or import it again",
        )
    ranker.train(False)
    if Acceleration.chosen().compiled and isinstance(ranker, TransformerRanker):
        for layer in layers_of(ranker.backbone):
            layer.compile(dynamic=True)
    return ranker.on(chosen_device())
