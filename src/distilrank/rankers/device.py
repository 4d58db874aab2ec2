"""Where rankers run: DISTILRANK_DEVICE (cpu or cuda), else CUDA if there is a card. It is never part of a hash.

CUDA_VISIBLE_DEVICES chooses the card.
"""

import os

import torch

from distilrank.errors import InputError


def chosen_device() -> torch.device:
    """The device in the environment. Raises InputError for one other than cpu and cuda, or one that torch cannot
    reach."""
    name = os.environ.get("DISTILRANK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise InputError(
            "DISTILRANK_DEVICE",
            got=f"'{name}'",
            expected="cpu, or cuda where torch reaches a card",
            remedy="set it to cpu, or unset it",
        )
    if name == "cpu":
        return torch.device(name)
    # cuDNN first builds a plan for each shape of a batch in each thread, which takes up to a second. Texts have many
    # shapes.
    torch.backends.cuda.enable_cudnn_sdp(False)
    # Each of several worker processes on this machine takes its own card.
    worker = int(os.environ.get("DISTILRANK_WORKER") or 0)
    return torch.device(name, worker % torch.cuda.device_count())
