"""Packs sequences one after the other instead of padding them, so that no work is done on padding.

The ends of the sequences tell attention where each begins, so that none reads another.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from distilrank.rankers.acceleration import Acceleration
from distilrank.rankers.first_token import is_of_berts_build

_HALVES = (torch.bfloat16, torch.float16)


def packs(acceleration: Acceleration, backbone: PreTrainedModel) -> bool:
    """Whether packing is asked for, and this backbone hands the ends of the sequences to its attention."""
    return acceleration.attention == "packed" and is_of_berts_build(backbone)


def packed_states(model: PreTrainedModel, ids: Tensor, mask: Tensor, first_position: int, **inputs: Tensor) -> Tensor:
    """Last hidden states (rows, length, width) of padded `ids` and `inputs`, 0 at padding.

    The model's attention must be "packed". It counts positions from `first_position`.
    """
    lengths = mask.sum(1)
    ends = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int()
    positions = torch.arange(first_position, first_position + ids.shape[1], device=ids.device).expand_as(ids)
    read = model(
        input_ids=ids[mask].unsqueeze(0),
        position_ids=positions[mask].unsqueeze(0),
        **{name: values[mask].unsqueeze(0) for name, values in inputs.items()},
        cu_seq_lens_q=ends,
        max_length_q=int(lengths.max()),
    ).last_hidden_state
    states: Tensor = read.new_zeros(*ids.shape, read.shape[2])
    states[mask] = read[0]
    return states


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    """Attention within each sequence, from (1, heads, tokens, width of a head) to (1, tokens, heads, width of a
    head)."""
    ends = settings.pop("cu_seq_lens_q", None)
    if ends is None:  # a batch that is not packed, as in training
        attended, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
        return attended, None
    if query.is_cuda and query.dtype in _HALVES:
        from torch.nn.attention.varlen import varlen_attn

        longest = settings["max_length_q"]
        queries, keys, values = (one[0].transpose(0, 1).contiguous() for one in (query, key, value))
        read = varlen_attn(queries, keys, values, ends, ends, longest, longest)
        assert isinstance(read, Tensor)
        return read.unsqueeze(0), None
    # The kernel computes in 16 bits, and on a card only.
    lengths = ends.diff().tolist()
    each = zip(*(torch.split(one, lengths, 2) for one in (query, key, value)), strict=True)
    return torch.cat([scaled_dot_product_attention(*one) for one in each], 2).transpose(1, 2), None


AttentionInterface.register("packed", _attend)
AttentionMaskInterface.register("packed", sdpa_mask)
