"""Whether a passage store has room here. A refusal names numbers that take less."""

from collections.abc import Callable

from distilrank.data.ragged import RaggedArrays, RaggedIds, Rows
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.retrieval.fitting import Size, refuse_without_room
from distilrank.retrieval.forms import Form, Numbers

# Encodes the passages in some rows, to be stored in these numbers.
Encode = Callable[[Rows, Numbers], RaggedArrays]
# Passages that are encoded for the estimate, or up to twice as many.
_SAMPLE = 32


def refuse_too_large(
    passages: RaggedIds, rows: Rows, form: Form, encode: Encode, name: str, index_bytes: int, there: int
) -> float:
    """Prints the estimated size of a store of the passages in `rows`: as much per token as a sample of them takes.

    An index that is built from the store adds `index_bytes` per entry, on disk and in memory. `there`: the bytes of the
    store that are on the disk already. Gives the store's bytes per token. Raises InputError if there is no room.
    """
    sample = rows[:: max(1, len(rows) // _SAMPLE)]

    def tokens(some: Rows) -> int:
        return int((passages.lengths(some) + SPECIAL_TOKENS).sum())

    def size(encoded: RaggedArrays) -> Size:
        times = tokens(rows) / tokens(sample)
        index = round(times * index_bytes * int(encoded.offsets[-1]))
        return Size(round(times * encoded.bytes_per_text() * len(sample)) + index, index)

    own = encode(sample, form.numbers)
    smaller = form.choices[form.choices.index(form.numbers) + 1 :]
    others = ((f"set `numbers: {numbers}` in its entry", size(encode(sample, numbers))) for numbers in smaller)
    what = f"a store of {len(rows):,} passages in {form.numbers}"
    refuse_without_room(name, what, size(own), others, there)
    return own.bytes_per_text() * len(sample) / tokens(sample)
