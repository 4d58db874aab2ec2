"""DISTILRANK_ACCELERATION: choices of computation that change scores only by rounding. They are never part of a hash.

It is a list such as `attention=packed,compile,streams=2`. Nothing is on unless it is asked for. `make gpu-check`
measures each choice on the card at hand.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

from distilrank.errors import InputError

VARIABLE = "DISTILRANK_ACCELERATION"
ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "packed")


@dataclass(frozen=True)
class Acceleration:
    """`attention` is the kernel. `packed` leaves out all padding, on backbones that are built like BERT.

    `compiled` compiles each layer. `graphs` replays short batches as CUDA graphs. `streams` is how many batches are
    computed at once, each copied from pinned memory in its own stream. The last two need a card.
    """

    attention: str = "sdpa"
    compiled: bool = False
    graphs: bool = False
    streams: int = 1

    @classmethod
    def chosen(cls) -> Self:
        """The choices in the environment. Raises InputError for one that is unknown or not installed."""
        given = [part.strip() for part in os.environ.get(VARIABLE, "").split(",") if part.strip()]
        values = dict(part.partition("=")[::2] for part in given)
        attention, streams = values.pop("attention", "sdpa"), values.pop("streams", "1")
        known = attention in ATTENTIONS and streams.isdigit() and int(streams) > 0
        if not known or set(values.items()) - {("compile", ""), ("graphs", "")}:
            raise InputError(
                VARIABLE,
                got=f"'{os.environ[VARIABLE]}'",
                expected=f"a list of attention={'|'.join(ATTENTIONS)}, compile, graphs and streams=NUMBER",
                remedy="correct it, or unset it",
            )
        if "graphs" in values and int(streams) > 1:
            raise InputError(
                VARIABLE,
                got=f"'{os.environ[VARIABLE]}'",
                expected="graphs or streams above 1, not both: a graph is replayed in one stream",
                remedy="remove one of them",
            )
        if attention == "flash_attention_2" and not find_spec("flash_attn"):
            raise InputError(
                VARIABLE, got="attention=flash_attention_2", expected="flash-attn installed", remedy="install it"
            )
        return cls(attention, "compile" in values, "graphs" in values, int(streams))
