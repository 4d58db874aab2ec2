"""Learning rates and weight decay of all weights."""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from distilrank.rankers.base import Ranker
from distilrank.rankers.halves import before_layers, layers_of
from distilrank.sections.training import Training


def parameter_groups(ranker: Ranker, params: Training) -> list[dict[str, Any]]:
    """The optimiser's groups: weights with the same learning rate and decay. Weights that do not learn are in no group.

    A part that params.yaml names has its own rate, whichever layer it belongs to.
    """
    rates = _layer_rates(ranker, params)
    parts = ranker.parts()
    rates |= {weight: rate for name, rate in params.part_learning_rates.items() for weight in parts[name]}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in (weight for weight in ranker.parameters() if weight.requires_grad):
        # Biases and the weights of norms have one dimension.
        decay = params.weight_decay if weight.ndim > 1 else 0.0
        groups.setdefault((rates.get(weight, params.learning_rate), decay), []).append(weight)
    return [{"params": some, "lr": rate, "weight_decay": decay} for (rate, decay), some in groups.items()]


def _layer_rates(ranker: Ranker, params: Training) -> dict[nn.Parameter, float]:
    """The rates of a transformer's weights (Clark et al., arXiv 2003.10555, appendix A): lower layers learn more
    slowly."""
    if params.layer_decay == 1 or not ranker.params.has_transformer:
        return {}
    backbone = ranker.get_submodule("backbone")
    assert isinstance(backbone, PreTrainedModel)
    layers = layers_of(backbone)
    rate, decay = params.learning_rate, params.layer_decay
    # What comes after the layers, such as a pooler, learns at the head's rate.
    below = dict.fromkeys(before_layers(backbone), rate * decay ** (len(layers) + 1))
    for height, layer in enumerate(reversed(layers), start=1):
        below |= dict.fromkeys(layer.parameters(), rate * decay**height)
    return below
