"""A passage store: what a ranker computes of each passage before any query is known, in files.

It is written part by part. In memory stands one part, and a killed encoding goes on behind the last whole part.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built, read_json, write_json
from distilrank.data.npy import append_rows
from distilrank.data.ragged import RaggedArrays, Rows, StoredTexts
from distilrank.data.tokens import rows_of
from distilrank.errors import MissingInput, ScoreError
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
from distilrank.retrieval.encodings import Encodings, encode_texts
from distilrank.retrieval.forms import Form, Numbers, form_of
from distilrank.sections.precision import Precision

STORE, IDS, LENGTHS = "store.json", "passage_ids.parquet", "lengths.npy"
# Passages of a part.
_AT_ONCE = 4_096


class PassageStore(Encodings):
    """Encodings of passages, whose ids ascend."""

    def __init__(self, stored: RaggedArrays, form: Form, passage_ids: pl.Series) -> None:
        super().__init__(stored, form)
        self.passage_ids = passage_ids

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Encodings stay on disk until they are looked at. Raises MissingInput where they are absent or not whole."""
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

    def rows(self, passage_ids: pl.Series) -> Rows:
        """Where passages stand. Raises MissingInput for an id that is not stored."""
        return rows_of(passage_ids, self.passage_ids, "passage")


def form_for(ranker: Ranker, numbers: Numbers) -> Form:
    """What a ranker's encodings are stored as."""
    return form_of(numbers, (ranker.config.backbone or {})["vocab_size"] if ranker.params.weighs_terms else None)


def store_passages(
    ranker: Ranker,
    texts: StoredTexts,
    passage_ids: pl.Series,
    rows: Rows,
    directory: Path,
    whose: str,
    numbers: Numbers = "float16",
    precision: Precision = "float32",
    at_once: int = _AT_ONCE,
) -> PassageStore:
    """Encodes the passages in `rows`, which have these ids, into a directory.

    What stands there of the same rows is gone on with. `whose` they are is shown. Raises ScoreError where an encoding
    is not finite, or has numbers that float16 cannot hold.
    """
    directory.mkdir(parents=True, exist_ok=True)
    passage_ids.to_frame("passage_id").write_parquet(directory / IDS)
    form = form_for(ranker, numbers)
    of = {"numbers": numbers, "vocabulary": form.vocabulary, "rows": sha256(rows.tobytes()).hexdigest()}
    first, entries = _done(directory / STORE, of)
    with progress(f"passages encoded by {whose}", len(rows), first) as advance:
        for start in range(first, len(rows), at_once):
            block = rows[start : start + at_once]
            part = encode_texts(
                ranker.encode_passages, texts.passages, block, texts.pad, ranker.device, form, advance, precision
            ).stored
            _check(part, passage_ids[start : start + at_once])
            for name, array in part.arrays.items():
                append_rows(directory / f"{name}.npy", entries, array)
            append_rows(directory / LENGTHS, start, part.lengths(np.arange(len(part))).astype(np.int32))
            entries += int(part.offsets[-1])
            done = {"passages": start + len(block), "entries": entries, "arrays": list(part.arrays)}
            write_json(directory / STORE, of | done)
    return PassageStore.open(directory)


def _done(file: Path, of: dict[str, Any]) -> tuple[int, int]:
    """The passages and entries of the same work that stand already."""
    told = read_json(file) if file.is_file() else {}
    is_same = all(told.get(key) == value for key, value in of.items())
    return (told["passages"], told["entries"]) if told and is_same else (0, 0)


def _check(part: RaggedArrays, passage_ids: pl.Series) -> None:
    for array in part.arrays.values():
        sound = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not sound.all():
            row = int(np.searchsorted(part.offsets, sound.argmin(), side="right")) - 1
            raise ScoreError(
                f"the encoding of passage '{passage_ids[row]}'",
                got="numbers that are not finite, or beyond float16",
                expected="numbers from -65504 to 65504",
                remedy="train the ranker that made it anew, at a lower learning_rate",
            )


def _mapped(file: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(built(file), mmap_mode="r", allow_pickle=False)
    return array
