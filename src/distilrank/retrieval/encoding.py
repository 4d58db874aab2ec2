"""Passage vectors, which workers write to a file part by part. A killed encoding goes on with the missing parts."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from distilrank.artifacts.files import read_json, write_json
from distilrank.data.ragged import RaggedIds, Rows
from distilrank.data.tokens import TokenStore
from distilrank.errors import ScoreError
from distilrank.progress import progress
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import load_ranker
from distilrank.retrieval.fitting import Size, bytes_in, refuse_without_room
from distilrank.retrieval.vector_store import VECTORS_FILE, Stored, VectorStore, refuse_endless
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.precision import Precision
from distilrank.sections.searching import Encoding
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace

DONE = "done.json"


@dataclass(frozen=True)
class PassagesToEncode:
    """The texts of a part, whose first passage has the row `first`."""

    first: int
    texts: RaggedIds
    pad: int
    precision: Precision


@dataclass(frozen=True)
class EncodedPassages:
    """A part's vectors (passages, width)."""

    first: int
    vectors: Vectors


def begin_encoding(model: Path) -> Callable[[PassagesToEncode], EncodedPassages]:
    """Loads the ranker in `model`, and gives what encodes parts with it."""
    ranker = load_ranker(model)

    def encode(part: PassagesToEncode) -> EncodedPassages:
        every = np.arange(len(part.texts))
        vectors = encode_vectors(
            ranker.encode_passages, part.texts, every, part.pad, ranker.device, precision=part.precision
        )
        return EncodedPassages(part.first, vectors)

    return encode


def encoded_passages(
    model: Path, tokens: TokenStore, passage_ids: pl.Series, directory: Path, params: Encoding, whose: str
) -> VectorStore:
    """A dense ranker's vectors of passages, whose ids ascend, in `directory`: mapped, in the file VECTORS_FILE.

    An encoding of the same passages goes on from what is there. `whose` vectors they are is shown, and the size that
    they will take. Raises InputError where there is no room for them, and ScoreError for a vector that is not finite,
    or too large for the store's precision.
    """
    place = Workplace.chosen()
    if not place.ray_address:
        chosen_device()  # refused here; on Ray it is for the workers to say
    rows = tokens.passage_rows(passage_ids)
    file = _PartsInFile.opened(directory, rows, params, whose)
    missing = file.missing()
    if missing:
        parts = (_part(tokens, rows[first : first + params.passages_per_part], first, params) for first in missing)
        with (
            progress(f"passages encoded by {whose}", len(rows), file.passages()) as advance,
            workers(Work(begin_encoding, model), place) as each,
        ):
            for encoded in each(parts):
                refuse_endless(encoded.vectors, passage_ids[encoded.first :], "passage")
                file.add(encoded)
                advance(len(encoded.vectors))
    return VectorStore(file.whole(), passage_ids)


def _part(tokens: TokenStore, rows: Rows, first: int, params: Encoding) -> PassagesToEncode:
    return PassagesToEncode(first, tokens.passages.subset(rows), tokens.special_tokens.pad, params.precision)


class _PartsInFile:
    """A file of vectors, to which parts are written in any order, and the first rows of the parts that are there."""

    def __init__(self, directory: Path, rows: int, of: str, params: Encoding, whose: str) -> None:
        self._directory, self._rows, self._of, self._params, self._whose = directory, rows, of, params, whose
        before = read_json(directory / DONE) if (directory / DONE).is_file() else {}
        self._done: set[int] = set(before["parts"]) if before.get("of") == of else set()
        self._file: np.memmap[Any, np.dtype[Any]] | None = None

    @classmethod
    def opened(cls, directory: Path, rows: Rows, params: Encoding, whose: str) -> "_PartsInFile":
        directory.mkdir(parents=True, exist_ok=True)
        of = sha256(rows.tobytes() + params.model_dump_json().encode()).hexdigest()
        return cls(directory, len(rows), of, params, whose)

    def missing(self) -> list[int]:
        return [first for first in range(0, self._rows, self._params.passages_per_part) if first not in self._done]

    def passages(self) -> int:
        """How many passages have vectors there."""
        return sum(min(self._params.passages_per_part, self._rows - first) for first in self._done)

    def add(self, part: EncodedPassages) -> None:
        file = self._open(part.vectors.shape[1])
        place = slice(part.first, part.first + len(part.vectors))
        with np.errstate(over="ignore"):
            file[place] = part.vectors
        if not np.isfinite(file[place]).all():
            raise ScoreError(
                "a passage's vector",
                got=f"the number {np.abs(part.vectors).max():g}",
                expected="at most 65504, the largest float16",
                remedy="set encoding.store to float32",
            )
        file.flush()
        self._done.add(part.first)
        write_json(self._directory / DONE, {"of": self._of, "parts": sorted(self._done)})

    def whole(self) -> Stored:
        """The vectors, mapped to be read. Raises ScoreError unless each passage has one."""
        if self.passages() != self._rows:
            raise ScoreError(
                self._directory,
                got=f"vectors of {self.passages()} passages",
                expected=f"{self._rows}",
                remedy="run it again",
            )
        if not self._rows:
            return np.empty((0, 0), np.float32)
        stored: Stored = np.load(self._directory / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
        return stored

    def _refuse_without_room(self, width: int) -> None:
        """Before the file is made: it has holes at first, so that a disk that is full later would end the process."""
        numbers, halves = self._params.store, Size(2 * self._rows * width)
        size = halves if numbers == "float16" else Size(2 * halves.disk)
        others = [("set encoding.store to float16", halves)] if numbers == "float32" else []
        what = f"vectors of {self._rows:,} passages of {width} numbers in {numbers}"
        refuse_without_room(self._whose, what, size, others, bytes_in(self._directory))

    def _open(self, width: int) -> "np.memmap[Any, np.dtype[Any]]":
        if self._file is not None:
            return self._file
        file, shape = self._directory / VECTORS_FILE, (self._rows, width)
        self._refuse_without_room(width)
        if self._done:
            self._file = np.load(file, mmap_mode="r+", allow_pickle=False)
        else:
            # In this order: the one tells of the other, which somebody may still read by a mapping of its own.
            (self._directory / DONE).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            self._file = np.lib.format.open_memmap(file, mode="w+", dtype=np.dtype(self._params.store), shape=shape)
        return self._file
