"""Whether an approximate index has room here. A refusal names a kind that has."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from distilrank.retrieval.faiss_index import SHARD, empty_index
from distilrank.retrieval.fitting import Size, refuse_without_room
from distilrank.retrieval.kinds import Approximate, Fp16, Hnsw, IvfPq, Sq8

if TYPE_CHECKING:
    import faiss

# The most bytes of a code that a refusal names.
_CODE_BYTES = 48


def refuse_too_large(kind: Approximate, passages: int, width: int, name: str) -> None:
    """Prints the estimated size of an index. Raises InputError if disk or memory have no room for it."""
    refuse_without_room(
        name,
        f"an index of kind {kind.kind} of {passages:,} passages of {width} numbers",
        estimated_size(kind, passages, width),
        _remedies(kind, passages, width),
    )


def _remedies(kind: Approximate, passages: int, width: int) -> Iterator[tuple[str, Size]]:
    """Other indexes than the one that was chosen, from the largest to the smallest, each with its size."""
    code = max(bytes for bytes in range(1, _CODE_BYTES + 1) if width % bytes == 0)
    links = Hnsw().links
    others = {
        f"hnsw, links: {links}": Hnsw(links=links), "fp16": Fp16(), "sq8": Sq8(),
        f"ivf-pq, bytes: {code}": IvfPq(bytes=code),
    }  # fmt: skip
    for told, other in others.items():
        if other.factory_string(width) != kind.factory_string(width):
            yield f"choose kind: {told}", estimated_size(other, passages, width)


def estimated_size(kind: Approximate, passages: int, width: int, shard: int = SHARD) -> Size:
    """The estimate from an empty index of the kind. Raises InputError if Faiss makes none."""
    fixed, each = _bytes_of(empty_index(kind, width))
    disk = fixed + passages * each
    sample = 4 * width * min(kind.sample, passages)
    # The shard that is merged stands beside the whole; Faiss copies the sample once.
    return Size(disk, disk + fixed + min(shard, passages) * each + 2 * sample)


def _bytes_of(index: "faiss.Index") -> tuple[int, int]:
    """The bytes of an empty index, and those that each passage adds."""
    import faiss

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexPreTransform):
        fixed, each = _bytes_of(inner.index)
        return fixed + 4 * inner.d * inner.index.d, each
    if isinstance(inner, faiss.IndexRefine):
        (fixed, each), (more, more_each) = _bytes_of(inner.base_index), _bytes_of(inner.refine_index)
        return fixed + more, each + more_each
    if isinstance(inner, faiss.IndexHNSW):
        fixed, each = _bytes_of(inner.storage)
        graph: Any = inner.hnsw
        # Links of the lowest layer and, on average, of those above it; a level and an offset.
        return fixed, each + 4 * (graph.nb_neighbors(0) + 1) + 12
    if isinstance(inner, faiss.IndexIVF):
        return 4 * inner.d * inner.nlist, inner.code_size + 8
    return 0, getattr(inner, "code_size", 4 * inner.d)
