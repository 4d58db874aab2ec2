"""A passage store: what a ranker computes of each passage before any query is known, in files.

It is written part by part. Memory holds one part. A killed encoding goes on after the last whole part.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built, read_json, write_json
from distilrank.data.npy import append_rows
from distilrank.data.ragged import RaggedArrays, Rows
from distilrank.data.tokens import rows_of
from distilrank.errors import MissingInput
from distilrank.progress import progress
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import Form, VectorsForm, form_of

STORE, IDS, LENGTHS = "store.json", "passage_ids.parquet", "lengths.npy"
# Passages that are copied at once.
_COPIED = 8_192


class PassageStore(Encodings):
    """Encodings of passages, whose ids ascend."""

    def __init__(self, stored: RaggedArrays, form: Form, passage_ids: pl.Series) -> None:
        super().__init__(stored, form)
        self.passage_ids = passage_ids

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Opens the store. Encodings stay on disk until they are read. Raises MissingInput if they are absent or not
        whole."""
        told = read_json(built(directory / STORE))
        passage_ids = pl.read_parquet(built(directory / IDS))["passage_id"]
        if told["passages"] != len(passage_ids):
            raise MissingInput(
                directory,
                got=f"{told['passages']} of {len(passage_ids)} passages",
                expected="all",
                remedy="build it again: dvc repro",
            )
        arrays = {name: _mapped(directory / f"{name}.npy") for name in told["arrays"]}
        lengths = np.load(built(directory / LENGTHS), allow_pickle=False)
        return cls(RaggedArrays.of(arrays, lengths), form_of(told["numbers"], told["vocabulary"]), passage_ids)

    @property
    def entries(self) -> int:
        """How many entries all passages have."""
        return int(self.stored.offsets[-1])

    @property
    def width(self) -> int:
        """The numbers of a vector, if the encodings are vectors."""
        return int(self.stored.arrays["values"].shape[1])

    def entries_up_to(self, most: int) -> int:
        """How many entries all passages have, if each keeps at most so many."""
        return int(np.minimum(np.diff(self.stored.offsets), most).sum())

    def rows(self, passage_ids: pl.Series) -> Rows:
        """The rows of passages. Raises MissingInput for an id that is not stored."""
        return rows_of(passage_ids, self.passage_ids, "passage")


class GrowingStore:
    """A store that is written part by part, in the order of rows. A part that comes early waits in memory.

    The same work goes on from what is in the directory.
    """

    def __init__(self, directory: Path, passage_ids: pl.Series, form: Form, work: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        passage_ids.to_frame("passage_id").write_parquet(directory / IDS)
        self._directory, self._passage_ids, self.form = directory, passage_ids, form
        self._of = {"numbers": form.numbers, "vocabulary": form.vocabulary, "work": work}
        told = read_json(directory / STORE) if (directory / STORE).is_file() else {}
        is_same = all(told.get(key) == value for key, value in self._of.items())
        self._early: dict[int, RaggedArrays] = {}
        # How many there are.
        self.passages: int = told["passages"] if told and is_same else 0
        self._entries: int = told["entries"] if told and is_same else 0

    def add(self, first: int, part: RaggedArrays) -> None:
        """Adds a part whose first passage has the row `first`. Raises ScoreError if a number is not finite."""
        Encodings(part, self.form).refuse_endless(self._passage_ids[first : first + len(part)], "passage")
        self._early[first] = part
        while self.passages in self._early:
            self._append(self._early.pop(self.passages))

    def _append(self, part: RaggedArrays) -> None:
        for name, array in part.arrays.items():
            append_rows(self._directory / f"{name}.npy", self._entries, array)
        append_rows(self._directory / LENGTHS, self.passages, np.diff(part.offsets).astype(np.int32))
        self.passages, self._entries = self.passages + len(part), self._entries + int(part.offsets[-1])
        done = {"passages": self.passages, "entries": self._entries, "arrays": list(part.arrays)}
        write_json(self._directory / STORE, self._of | done)


def write_int8(store: PassageStore, directory: Path, whose: str) -> None:
    """Writes a copy of a store of vectors in int8. A killed copy goes on from what is in the directory."""
    form = VectorsForm("int8")
    grown = GrowingStore(directory, store.passage_ids, form, "a copy")
    with progress(f"passages indexed, {whose}", len(store), grown.passages) as advance:
        for start in range(grown.passages, len(store), _COPIED):
            part = store[start : start + _COPIED].stored_as(form)
            grown.add(start, part.stored)
            advance(len(part))


def _mapped(file: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(built(file), mmap_mode="r", allow_pickle=False)
    return array
