"""Faiss indexes on a card, where Faiss was built for one. Beside torch and Faiss it imports nothing heavy."""

from typing import TYPE_CHECKING, Any

from distilrank.rankers.device import chosen_device

if TYPE_CHECKING:
    import faiss

# How many passages Faiss finds for a query on a card at most, and how many lists it looks at.
MOST = 2_048


def copy_on_card(index: "faiss.Index") -> "faiss.Index | None":
    """A copy of the index on the chosen card. None if Faiss reaches no card, or cannot search such an index there."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or (device := chosen_device()).type != "cuda":
        return None
    if getattr(inner_index(index), "nprobe", 0) > MOST:
        return None
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), device.index or 0, index)
    except RuntimeError:
        return None  # such as a graph


def to_build(index: "faiss.Index") -> "faiss.Index":
    """A copy on the card to build with, or the index itself where there is none.

    Also the index itself where another type would come back from the card: float16 vectors come back as float32.
    """
    there = copy_on_card(index)
    # Faiss names a type by its counterpart. An index that is not trained yet cannot come back to be compared.
    comes_back = there is not None and _type_of(there) == f"Gpu{_type_of(index)}"
    return there if there is not None and comes_back else index


def off_card(index: "faiss.Index") -> "faiss.Index":
    """The index on the processor, from which it can be written to a file."""
    import faiss

    return faiss.index_gpu_to_cpu(index) if hasattr(faiss, "index_gpu_to_cpu") else index


def _type_of(index: "faiss.Index") -> str:
    return type(inner_index(index)).__name__


def inner_index(index: "faiss.Index") -> Any:
    """The index that holds the vectors, behind any transformations."""
    import faiss

    index = faiss.downcast_index(index)
    while isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    return index
