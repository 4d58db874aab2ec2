"""The last layer for the first token only, for rankers that read nothing but [CLS].

Of that layer's matrix products, only keys and values need all tokens. With six layers, this saves a seventh of all
work.
"""

from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from distilrank.rankers.halves import layers_of, split

# Layers that compute what BERT's do. Others have the same parts and compute something else.
_LAYERS = {"BertLayer", "ElectraLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer"}


def is_of_berts_build(backbone: PreTrainedModel) -> bool:
    """Whether its layers have BERT's parts, and compute with them what BERT's layers compute."""
    layers = layers_of(backbone)
    return len(layers) == backbone.config.num_hidden_layers and type(layers[-1]).__name__ in _LAYERS


class FirstTokenReader:
    """Computes the last hidden state of each row's first token, for a backbone that is built like BERT.

    `lower` is the backbone without its last layer. Its states are the input.
    """

    def __init__(self, backbone: PreTrainedModel) -> None:
        self.lower = split(backbone, backbone.config.num_hidden_layers - 1)[0]
        self._last: Any = layers_of(backbone)[-1]

    @staticmethod
    def reads(backbone: PreTrainedModel) -> bool:
        """Whether it can replace this backbone's last layer."""
        return backbone.config.num_hidden_layers > 1 and is_of_berts_build(backbone)

    def __call__(self, states: Tensor, mask: Tensor) -> Tensor:
        """Last states (rows, 1, width) from the states of `lower` (rows, length, width) and their mask (rows,
        length)."""
        attention, first = self._last.attention, states[:, :1]
        heads = attention.self.num_attention_heads
        query = _by_head(attention.self.query(first), heads)
        key, value = (_by_head(part(states), heads) for part in (attention.self.key, attention.self.value))
        read = scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        attended = attention.output(read.transpose(1, 2).flatten(2), first)
        last: Tensor = self._last.output(self._last.intermediate(attended), attended)
        return last


def _by_head(states: Tensor, heads: int) -> Tensor:
    """The states as (rows, heads, length, width of a head)."""
    rows, length, width = states.shape
    return states.view(rows, length, heads, width // heads).transpose(1, 2)
