"""The forms that encodings are stored in: arrays with one entry per vector of a text, or per term of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from distilrank.rankers.base import Encoded

Numbers = Literal["float32", "float16", "int8"]
Entries = Mapping[str, npt.NDArray[Any]]
Lengths = npt.NDArray[np.int64]
# What the numbers of int8 reach to, on either side of 0.
_MOST = 127


class Form(ABC):
    """Arrays of entries by name. Text after text, each text has as many entries as its length says."""

    # What its numbers may be, from the largest to the smallest.
    choices: ClassVar[tuple[Numbers, ...]]

    numbers: Numbers
    # Of sparse vectors.
    vocabulary: int | None = None

    @abstractmethod
    def entries(self, encoded: Encoded) -> tuple[Entries, Lengths]:
        """The entries of all rows, without padding, and the length (rows,) of each."""

    @abstractmethod
    def encoded(self, entries: Entries, lengths: Lengths) -> Encoded:
        """The rows again, padded to the longest, in the processor's memory."""


@dataclass(frozen=True)
class VectorsForm(Form):
    """One vector per entry: `values` (vectors, width), and as int8 a `scales` (vectors,) that multiplies each vector.

    A vector's largest number becomes 127 in int8. So each number is off by at most half a 127th of the largest.
    """

    choices: ClassVar[tuple[Numbers, ...]] = ("float32", "float16", "int8")

    numbers: Numbers

    def entries(self, encoded: Encoded) -> tuple[Entries, Lengths]:
        values = encoded.values[encoded.mask].float().cpu().numpy()
        return self.stored(values), encoded.mask.sum(1).cpu().numpy()

    def encoded(self, entries: Entries, lengths: Lengths) -> Encoded:
        values = entries["values"] if self.numbers != "int8" else self.vectors(entries)
        mask = torch.from_numpy(np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None])
        padded = torch.zeros((*mask.shape, values.shape[1]), dtype=torch.from_numpy(values[:0]).dtype)
        padded[mask] = torch.from_numpy(values)
        return Encoded(padded, mask)

    def vectors(self, entries: Entries) -> npt.NDArray[np.float32]:
        """The vectors (vectors, width) of entries."""
        values = entries["values"].astype(np.float32)
        return values * entries["scales"].astype(np.float32)[:, None] if self.numbers == "int8" else values

    def stored(self, values: npt.NDArray[np.float32]) -> Entries:
        """The entries of vectors (vectors, width)."""
        if self.numbers != "int8":
            # A number that float16 cannot hold becomes infinite, which the store refuses.
            with np.errstate(over="ignore"):
                return {"values": values.astype(self.numbers)}
        with np.errstate(over="ignore"):
            scales = (np.abs(values).max(axis=1, initial=0) / _MOST).astype(np.float16)
        # By the scale as it is stored, so that its own rounding costs nothing.
        divisors = np.where(scales > 0, scales, np.inf).astype(np.float32)[:, None]
        whole = np.rint(values / divisors).clip(-_MOST, _MOST).astype(np.int8)
        return {"values": whole, "scales": scales}


@dataclass(frozen=True)
class TermsForm(Form):
    """One weight per entry of a sparse vector: `terms` (entries,), which ascend within a text, and their `weights`."""

    choices: ClassVar[tuple[Numbers, ...]] = ("float32", "float16")

    numbers: Numbers
    vocabulary: int

    def entries(self, encoded: Encoded) -> tuple[Entries, Lengths]:
        vectors = encoded.values.squeeze(1)
        rows, terms = vectors.nonzero(as_tuple=True)
        weights = vectors[rows, terms].float().cpu().numpy().astype(self.numbers)
        lengths = torch.bincount(rows, minlength=len(vectors)).cpu().numpy()
        return {"terms": terms.cpu().numpy().astype(np.int32), "weights": weights}, lengths

    def encoded(self, entries: Entries, lengths: Lengths) -> Encoded:
        vectors = torch.zeros((len(lengths), self.vocabulary))
        rows = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
        terms, weights = (torch.from_numpy(entries[name]) for name in ("terms", "weights"))
        vectors[rows, terms.long()] = weights.float()
        return Encoded(vectors.unsqueeze(1), torch.ones((len(lengths), 1), dtype=torch.bool))


def form_of(numbers: Numbers, vocabulary: int | None) -> Form:
    """The form of vectors, or of sparse vectors if the size of their vocabulary is given."""
    return VectorsForm(numbers) if vocabulary is None else TermsForm(numbers, vocabulary)
