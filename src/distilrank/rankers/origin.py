"""What a ranker's training begins from: a pretrained transformer or a trained ranker, and which of its layers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel

from distilrank.artifacts.files import built
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import BackboneError
from distilrank.rankers.base import Ranker, RankerConfig
from distilrank.rankers.halves import taking, with_layers
from distilrank.rankers.loading import begin_ranker, pretrained, pretrained_config, trained, trained_config
from distilrank.rankers.params import RankerParams
from distilrank.sections.data import Tokens


@dataclass(frozen=True)
class Origin:
    """A folder, and the layers that are taken from it, in this order. None: the lowest layers."""

    folder: Path
    layers: tuple[int, ...] | None = None

    def config(self) -> PreTrainedConfig:
        """The configuration of a transformer with the chosen layers. Raises BackboneError, MissingInput."""
        config = trained_config(self.folder) if self._ranker() else pretrained_config(self.folder)
        if self.layers is None:
            return config
        if max(self.layers) >= config.num_hidden_layers:
            raise BackboneError(
                self.folder,
                got=f"start.layers {[*self.layers]}",
                expected=f"layers from 0 to {config.num_hidden_layers - 1}",
                remedy="name layers that it has",
            )
        return with_layers(config, self.layers)

    def begin(self, params: RankerParams, lengths: Tokens, tokenizer: TextTokenizer) -> Ranker:
        """A ranker as its training begins. The random seed decides the weights that the origin does not provide.

        Raises BackboneError, MissingInput.
        """
        ranker = begin_ranker(params, self._transformer(), lengths, tokenizer)
        along = self.comes_along(ranker)
        with safe_open(self.folder / "model.safetensors", "pt") as weights:
            for name, weight in ranker.state_dict().items():
                if name.partition(".")[0] in along:
                    weight.copy_(weights.get_tensor(name))
        return ranker

    def comes_along(self, ranker: Ranker) -> list[str]:
        """The ranker's own modules, such as a head, that a trained ranker of its architecture has in the same
        shapes."""
        if (self._ranker() or {}).get("architecture") != ranker.params.architecture:
            return []
        with safe_open(self.folder / "model.safetensors", "pt") as weights:
            theirs = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
        ours = {name: tuple(weight.shape) for name, weight in ranker.state_dict().items()}
        own = [name for name, _ in ranker.named_children() if name != "backbone"]
        return [name for name in own if _below(name, ours) and _below(name, ours) == _below(name, theirs)]

    def _transformer(self) -> PreTrainedModel:
        source = trained(self.folder) if self._ranker() else pretrained(self.folder)
        return source if self.layers is None else taking(source, self.layers)

    def _ranker(self) -> dict[str, Any] | None:
        """The entry in params.yaml of the ranker in the folder. None if the folder holds a bare transformer."""
        config = json.loads(built(self.folder / "config.json").read_text("utf-8"))
        entry: dict[str, Any] | None = config["ranker"] if config.get("model_type") == RankerConfig.model_type else None
        return entry


def _below(module: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of a module's weights."""
    return {name: shape for name, shape in shapes.items() if name.startswith(f"{module}.")}
