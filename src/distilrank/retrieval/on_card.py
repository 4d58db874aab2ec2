"""Faiss indexes on a card, where Faiss was built for one. Beside torch and Faiss it imports nothing heavy."""

from typing import TYPE_CHECKING

from distilrank.rankers.device import chosen_device

if TYPE_CHECKING:
    import faiss


def on_card(index: "faiss.Index") -> "faiss.Index":
    """The index on the chosen card, or itself if Faiss reaches no card or has no such index there."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or (device := chosen_device()).type != "cuda":
        return index
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), device.index or 0, index)
    except RuntimeError:
        return index  # such as a graph


def off_card(index: "faiss.Index") -> "faiss.Index":
    """The index on the processor, from which it can be written to a file."""
    import faiss

    return faiss.index_gpu_to_cpu(index) if hasattr(faiss, "index_gpu_to_cpu") else index
