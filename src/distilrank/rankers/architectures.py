"""The table of architectures, and how a ranker is begun and loaded."""

import json
from pathlib import Path

from transformers import AutoConfig, AutoModel, PreTrainedConfig
from transformers.utils import logging

from distilrank.artifacts import built
from distilrank.data.tokens import SpecialTokens
from distilrank.errors import BackboneError
from distilrank.params import CatRanker as CatParams
from distilrank.params import DotRanker as DotParams
from distilrank.params import Tokens
from distilrank.rankers.base import Ranker, RankerConfig
from distilrank.rankers.cat import CatRanker
from distilrank.rankers.device import chosen_device
from distilrank.rankers.dot import DotRanker
from distilrank.rankers.inputs import SPECIAL_TOKENS

ARCHITECTURES: dict[str, type[Ranker]] = {"cat": CatRanker, "dot": DotRanker}

# Loading part of a checkpoint is what `layers` asks for: no warning about the rest.
logging.set_verbosity_error()
logging.disable_progress_bar()


def begin_ranker(params: CatParams | DotParams, backbone: Path, lengths: Tokens, special: SpecialTokens) -> Ranker:
    """A ranker on the lower layers of the backbone in a folder; its own head as the random seed has it.

    Raises BackboneError where the backbone has fewer layers or positions than the params ask for.
    """
    config = check_fits(params, backbone, lengths)
    config.num_hidden_layers = params.layers
    config.name_or_path = ""  # a folder of one machine has no place in a model
    options = params.model_dump(exclude={"architecture", "layers"})
    ranker = ARCHITECTURES[params.architecture](
        RankerConfig(
            architecture=params.architecture,
            backbone=config.to_dict(),
            query_length=lengths.query_length,
            passage_length=lengths.passage_length,
            cls_token_id=special.cls,
            sep_token_id=special.sep,
            pad_token_id=special.pad,
            **options,
        )
    )
    pretrained = AutoModel.from_pretrained(backbone, config=config)
    pretrained.pooler = None
    ranker.backbone.load_state_dict(pretrained.state_dict())
    return ranker


def load_ranker(directory: Path) -> Ranker:
    """The ranker that `save_pretrained` wrote, on the chosen device, ready to score. Raises MissingInput."""
    architecture = json.loads(built(directory / "config.json").read_text("utf-8"))["architecture"]
    ranker: Ranker = ARCHITECTURES[architecture].from_pretrained(directory)
    ranker.train(False)
    return ranker.on(chosen_device())


def check_fits(params: CatParams | DotParams, backbone: Path, lengths: Tokens) -> PreTrainedConfig:
    """The backbone's configuration. Raises BackboneError where it has too few layers or positions."""
    config: PreTrainedConfig = AutoConfig.from_pretrained(backbone)
    joined = lengths.query_length + lengths.passage_length + SPECIAL_TOKENS
    for what, asked, available in (
        ("layers", params.layers, config.num_hidden_layers),
        ("positions for a query, a passage and special tokens", joined, config.max_position_embeddings),
    ):
        if asked > available:
            raise BackboneError(
                f"backbone {backbone}",
                got=f"{available} {what}",
                expected=f"at least {asked}",
                remedy="ask for less in params.yaml, or name a larger backbone",
            )
    return config
