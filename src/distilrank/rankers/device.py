"""Where rankers run: DISTILRANK_DEVICE (cpu, cuda, cuda:1), else CUDA if there is one. Never part of a hash."""

import os

import torch

from distilrank.errors import InputError


def chosen_device() -> torch.device:
    """Raises InputError for a device that torch does not know or cannot reach."""
    name = os.environ.get("DISTILRANK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            "DISTILRANK_DEVICE",
            got=f"'{name}' ({str(error).splitlines()[0]})",
            expected="a device that torch reaches",
            remedy="set it to cpu, or unset it",
        ) from error
    return torch.device(name)


def tokens_per_batch(device: torch.device) -> int:
    """The padded tokens of an inference batch: on a CPU it should fit the cache, on a GPU it should fill it."""
    return 600 if device.type == "cpu" else 65_536
