"""What a ranker computes of many texts apart, each with its own length."""

from collections.abc import Callable
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from distilrank.data.ragged import RaggedArrays, RaggedIds, Rows
from distilrank.errors import ScoreError
from distilrank.progress import Advance
from distilrank.rankers.base import Encoded, TokenBatch
from distilrank.rankers.encoded_texts import each_encoded
from distilrank.retrieval.forms import Form, VectorsForm
from distilrank.sections.precision import Precision


class Encodings:
    """The encodings of texts by row, in memory or mapped from files."""

    def __init__(self, stored: RaggedArrays, form: Form) -> None:
        self.stored, self.form = stored, form

    @classmethod
    def of(cls, encoded: Encoded, form: Form) -> Self:
        entries, lengths = form.entries(encoded)
        return cls(RaggedArrays.of(entries, lengths), form)

    def __len__(self) -> int:
        return len(self.stored)

    def lengths(self, rows: Rows) -> Rows:
        """The number of entries (rows,) of each text."""
        return self.stored.lengths(rows)

    def read(self, rows: Rows, device: torch.device) -> Encoded:
        """The encodings of `rows`, padded to the longest."""
        some = self.stored.subset(rows)
        encoded = self.form.encoded(some.arrays, np.diff(some.offsets))
        return Encoded(encoded.values.to(device), encoded.mask.to(device))

    def vectors(self, rows: Rows) -> npt.NDArray[np.float32]:
        """The vectors (vectors, width) of `rows`, text after text, if the encodings are vectors."""
        assert isinstance(self.form, VectorsForm)
        return self.form.vectors(self.stored.subset(rows).arrays)

    def stored_as(self, form: VectorsForm) -> "Encodings":
        """The same vectors in another form, in memory."""
        assert isinstance(self.form, VectorsForm)
        return Encodings(RaggedArrays(form.stored(self.form.vectors(self.stored.arrays)), self.stored.offsets), form)

    def __getitem__(self, part: slice) -> "Encodings":
        """The encodings of a slice, not copied."""
        return Encodings(self.stored.between(*part.indices(len(self))[:2]), self.form)

    def refuse_endless(self, ids: pl.Series, what: str) -> None:
        """Raises ScoreError if a number is not finite."""
        for array in self.stored.arrays.values():
            sound = np.isfinite(array).reshape(len(array), -1).all(axis=1)
            if not sound.all():
                row = int(np.searchsorted(self.stored.offsets, sound.argmin(), side="right")) - 1
                raise ScoreError(
                    f"the encoding of {what} '{ids[row]}'",
                    got="numbers that are not finite, or beyond float16",
                    expected="numbers from -65504 to 65504",
                    remedy="train its ranker again at a lower learning_rate",
                )

    def bytes_per_text(self) -> float:
        """The bytes of an average text, without its length."""
        return self.stored.bytes_per_text()


def encode_texts(
    encode: Callable[[TokenBatch], Encoded],
    stored: RaggedIds,
    rows: Rows,
    pad: int,
    device: torch.device,
    form: Form,
    advance: Advance = lambda _: None,
    precision: Precision = "float32",
) -> Encodings:
    """Encodes the texts in `rows`, in their order. `encode` is a ranker's encode_queries or encode_passages.

    `precision` is that of the matrix products.
    """

    def kept(encoded: Encoded) -> RaggedArrays:
        return Encodings.of(encoded, form).stored

    if not len(rows):
        return Encodings(RaggedArrays.of({}, np.empty(0, np.int64)), form)
    parts = []
    for batch, part in each_encoded(encode, stored, rows, pad, device, kept, precision):
        parts.append((batch, part))
        advance(len(batch))
    return Encodings(RaggedArrays.placed(parts), form)
