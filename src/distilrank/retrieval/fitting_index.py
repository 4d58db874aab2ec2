"""Whether an approximate index has room here. A refusal names a kind that has."""

from distilrank.retrieval.faiss_index import estimated_size
from distilrank.retrieval.fitting import refuse_without_room
from distilrank.retrieval.kinds import Approximate, Fp16, Hnsw, IvfPq, Sq8

# From the largest to the smallest.
_OTHERS: tuple[type[Approximate], ...] = (Hnsw, Fp16, Sq8, IvfPq)


def refuse_too_large(kind: Approximate, passages: int, width: int, name: str) -> None:
    """Prints the estimated size of an index. Raises InputError where disk or memory have no room for it."""
    others = (other.model_validate({}) for other in _OTHERS)
    refuse_without_room(
        name,
        f"{kind.kind} of {passages:,} passages of {width} numbers",
        estimated_size(kind, passages, width),
        ((f"choose kind: {other.kind}", estimated_size(other, passages, width)) for other in others),
    )
