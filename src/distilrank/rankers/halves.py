"""Splits a transformer into two halves that share its weights: the layers below a join, and the layers from it on."""

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from distilrank.errors import BackboneError


def split(backbone: PreTrainedModel, join: int) -> tuple[PreTrainedModel, PreTrainedModel]:
    """The lower half, from the embeddings to layer `join`, and the upper half, which is called with `inputs_embeds`.

    In succession they compute what the backbone computes. This works for any family: what comes before the layers
    belongs to the lower half, and a norm after them to the upper half. Raises BackboneError for another build.
    """
    depth = backbone.config.num_hidden_layers
    lower = _part(backbone, range(join), without=nn.LayerNorm)
    upper = _part(backbone, range(join, depth), without=nn.Linear)
    upper.embeddings = _AsGiven()
    return lower, upper


def layers_of(backbone: PreTrainedModel) -> nn.ModuleList:
    """The list of its layers. Raises BackboneError if there is none."""
    layers = backbone.get_submodule(".".join(_path_to_layers(backbone)))
    assert isinstance(layers, nn.ModuleList)
    return layers


def before_layers(backbone: PreTrainedModel) -> list[nn.Parameter]:
    """The weights before its layers, such as embeddings."""
    every, lowest = list(backbone.parameters()), next(layers_of(backbone).parameters())
    return every[: next(place for place, weight in enumerate(every) if weight is lowest)]


def taking(backbone: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """The backbone with only these layers, in this order. It shares their weights."""
    return _part(backbone, layers, without=())


def with_layers(config: PreTrainedConfig, layers: Sequence[int]) -> PreTrainedConfig:
    """The configuration of a backbone with only these layers."""
    depth = config.num_hidden_layers
    part: PreTrainedConfig = copy.deepcopy(config)
    # ModernBERT's config lists a property of each layer.
    for name, value in vars(config).items():
        if isinstance(value, list) and len(value) == depth:
            setattr(part, name, [value[layer] for layer in layers])
    part.num_hidden_layers = len(layers)
    part.name_or_path = ""  # a folder of this machine does not belong in a model
    return part


class _AsGiven(nn.Module):
    """Replaces the embeddings, with the call of any family, and returns the states that the lower half computed."""

    def forward(self, input_ids: None = None, inputs_embeds: Tensor | None = None, *_: Any, **__: Any) -> Tensor | None:
        return inputs_embeds


def _part(backbone: PreTrainedModel, layers: Sequence[int], without: type[nn.Module] | tuple[()]) -> PreTrainedModel:
    """A backbone with only these layers. It copies the modules above the layers, but shares all weights."""
    *path, name = _path_to_layers(backbone)
    config = with_layers(backbone.config, layers)
    part: PreTrainedModel = _shallow(backbone, config)
    holder: nn.Module = part
    _skip(part, without)
    for step in path:
        child = _shallow(holder.get_submodule(step), config)
        setattr(holder, step, child)
        holder = child
        _skip(holder, without)
    every = holder.get_submodule(name)
    # ALBERT has one layer, which it calls again and again.
    if isinstance(every, nn.ModuleList) and len(every) > 1:
        setattr(holder, name, nn.ModuleList(every[layer] for layer in layers))
    return part


def _path_to_layers(backbone: PreTrainedModel) -> list[str]:
    depth = backbone.config.num_hidden_layers
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) in (1, depth):
            return str(name).split(".")
    raise BackboneError(
        f"backbone {backbone.config.model_type}",
        got="no list of its layers",
        expected="an encoder whose layers stand in one list",
        remedy="use another backbone, or another architecture than prettr",
    )


def _shallow(module: Any, config: PreTrainedConfig) -> Any:
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    if hasattr(copied, "config"):
        copied.config = config
    return copied


def _skip(holder: nn.Module, kind: type[nn.Module] | tuple[()]) -> None:
    for name, child in list(holder.named_children()):
        if isinstance(child, kind):
            setattr(holder, name, nn.Identity())
