"""Whether a passage store has room here. A refusal names numbers that take less."""

from collections.abc import Callable

from distilrank.data.ragged import RaggedIds, Rows
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.retrieval.fitting import Size, refuse_without_room
from distilrank.retrieval.forms import Form, Numbers

# Gives the bytes of an average passage in some rows, if it is stored in these numbers.
BytesPerPassage = Callable[[Rows, Numbers], float]
# Passages that are encoded for the estimate, or up to twice as many.
_SAMPLE = 32


def refuse_too_large(
    passages: RaggedIds, rows: Rows, form: Form, bytes_per_passage: BytesPerPassage, name: str
) -> None:
    """Prints the estimated size of a store of the passages in `rows`: as much per token as a sample of them takes.

    Raises InputError where the disk has no room for it.
    """
    sample = rows[:: max(1, len(rows) // _SAMPLE)]

    def tokens(some: Rows) -> int:
        return int((passages.lengths(some) + SPECIAL_TOKENS).sum())

    def size(numbers: Numbers) -> Size:
        of_sample = bytes_per_passage(sample, numbers) * len(sample)
        return Size(round(of_sample * tokens(rows) / tokens(sample)))

    others = ((f"set numbers: {numbers}", size(numbers)) for numbers in form.choices)
    refuse_without_room(name, f"store of {len(rows):,} passages in {form.numbers}", size(form.numbers), others)
