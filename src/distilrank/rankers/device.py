"""Where rankers run: DISTILRANK_DEVICE (cpu or cuda), else CUDA if there is one. Never part of a hash.

CUDA_VISIBLE_DEVICES chooses the card.
"""

import os

import torch

from distilrank.errors import InputError


def chosen_device() -> torch.device:
    """Raises InputError for a device other than cpu and cuda, or one that torch cannot reach."""
    name = os.environ.get("DISTILRANK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise InputError(
            "DISTILRANK_DEVICE",
            got=f"'{name}'",
            expected="cpu, or cuda where torch reaches a card",
            remedy="set it to cpu, or unset it",
        )
    return torch.device(name)


def tokens_per_batch(device: torch.device) -> int:
    """The padded tokens of an inference batch: on a CPU it should fit the cache, on a GPU it should fill it."""
    return 600 if device.type == "cpu" else 65_536
