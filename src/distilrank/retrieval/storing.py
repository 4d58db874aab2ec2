"""Passage stores, which workers write part by part. A killed encoding goes on after the last written part."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl

from distilrank.artifacts.files import built
from distilrank.data.ragged import RaggedArrays, RaggedIds, Rows, StoredTexts
from distilrank.progress import progress
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.device import chosen_device
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.table import trained_params
from distilrank.retrieval.encodings import encode_texts
from distilrank.retrieval.fitting import bytes_in
from distilrank.retrieval.fitting_store import refuse_too_large
from distilrank.retrieval.forms import Form, Numbers, form_of
from distilrank.retrieval.passage_store import GrowingStore, PassageStore
from distilrank.sections.precision import Precision
from distilrank.sections.searching import Encoding
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace

# The most bytes of a part's encodings. Its worker holds them up to twice.
_PART_BYTES = 1 << 29


@dataclass(frozen=True)
class PassagesToStore:
    """The texts of a part, whose first passage has the row `first`."""

    first: int
    texts: RaggedIds
    pad: int
    precision: Precision
    numbers: Numbers


@dataclass(frozen=True)
class StoredPart:
    """The encodings of a part."""

    first: int
    entries: RaggedArrays


def begin_storing(model: Path) -> Callable[[PassagesToStore], StoredPart]:
    """Loads the ranker in `model`, and gives what encodes parts with it."""
    ranker = load_ranker(model)

    def store(part: PassagesToStore) -> StoredPart:
        every, form = np.arange(len(part.texts)), form_for(model, part.numbers)
        encoded = encode_texts(
            ranker.encode_passages, part.texts, every, part.pad, ranker.device, form, precision=part.precision
        )
        return StoredPart(part.first, encoded.stored)

    return store


def form_for(model: Path, numbers: Numbers) -> Form:
    """The form in which the encodings of the ranker in `model` are stored."""
    backbone = json.loads(built(model / "config.json").read_text("utf-8"))["backbone"]
    return form_of(numbers, backbone["vocab_size"] if trained_params(model).weighs_terms else None)


def stored_passages(
    model: Path, texts: StoredTexts, passage_ids: pl.Series, rows: Rows, directory: Path, params: Encoding,
    numbers: Numbers, whose: str, index_bytes: int = 0,
) -> PassageStore:  # fmt: skip
    """The encodings of the passages in `rows`, which have these ids, in a directory.

    An encoding of the same passages goes on from what is there. `whose` encodings they are is shown, and the size that
    they will take, with an index of `index_bytes` per entry. Raises InputError if there is no room for them, and
    ScoreError for a number that is not finite, or that float16 cannot hold.
    """
    place = Workplace.chosen()
    if not place.ray_address:
        chosen_device()  # refused here; on Ray it is for the workers to say
    work = sha256(rows.tobytes() + params.precision.encode()).hexdigest()
    store = GrowingStore(directory, passage_ids, form_for(model, numbers), work)

    def part(first: int, some: Rows, numbers: Numbers) -> PassagesToStore:
        return PassagesToStore(first, texts.passages.subset(some), texts.pad, params.precision, numbers)

    if store.passages < len(rows):
        with workers(Work(begin_storing, model), place) as each:

            def encoded_as(some: Rows, numbers: Numbers) -> RaggedArrays:
                (sample,) = each([part(store.passages, some, numbers)])
                return sample.entries

            there = bytes_in(directory) if store.passages else 0
            per_token = refuse_too_large(texts.passages, rows, store.form, encoded_as, whose, index_bytes, there)
            lengths = texts.passages.lengths(rows) + SPECIAL_TOKENS
            slices = _slices(lengths, store.passages, params.passages_per_part, _PART_BYTES / max(1, per_token))
            with progress(f"passages encoded by {whose}", len(rows), store.passages) as advance:
                for encoded in each(part(some.start, rows[some], numbers) for some in slices):
                    store.add(encoded.first, encoded.entries)
                    advance(len(encoded.entries))
    return PassageStore.open(directory)


def _slices(lengths: Rows, first: int, passages: int, tokens: float) -> Iterator[slice]:
    """The parts from row `first` on, of at most so many passages and so many tokens. A long passage is one alone."""
    ends = np.cumsum(lengths)
    while first < len(lengths):
        most = int(np.searchsorted(ends, ends[first] - lengths[first] + tokens, side="right"))
        end = min(max(first + 1, most), first + passages)
        yield slice(first, end)
        first = end
