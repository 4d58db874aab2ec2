"""The machine that the check ran on."""

import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from distilrank.evaluation.latency import machine

_PACKAGES = (
    "transformers", "tokenizers", "accelerate", "numpy", "polars", "sentence-transformers", "datasets", "faiss-gpu",
    "faiss-cpu", "flash-attn", "triton", "ray",
)  # fmt: skip


def described(device_type: str) -> dict[str, Any]:
    """The card with its driver and memory, or the CPU, the versions of the libraries that compute, and the date."""
    import platform

    versions = {"python": platform.python_version(), "torch": torch.__version__}
    versions |= {name: found for name in _PACKAGES if (found := _version(name))}
    about: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "processor": machine()}
    if device_type == "cuda":
        card = torch.cuda.get_device_properties(0)
        about |= {
            "card": card.name,
            "cards": torch.cuda.device_count(),
            "memory in GiB": round(card.total_memory / 2**30, 1),
            "driver": _driver(),
            "CUDA": torch.version.cuda,
        }
    return about | {"versions": versions}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.splitlines()[0].strip()
