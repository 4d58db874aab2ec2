"""update: writes an index with passages added, replaced and deleted. The pipeline's outputs stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import model_of_index
from distilrank.config.params import Params
from distilrank.data.collection import WHOLE_TEXT
from distilrank.data.sources.passages import Passages
from distilrank.errors import InputError
from distilrank.indexed import load_indexed, place_of
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.retrieval.dense import INDEX_FILE, DenseIndex
from distilrank.retrieval.fitting import Size, refuse_without_room
from distilrank.retrieval.made_from import vectors_behind
from distilrank.retrieval.vector_store import VECTORS_FILE, VectorStore

_AT_ONCE = 4_096


def update(params: Params, name: str, target: Path, passages: Path | None, delete: Path | None) -> dict[str, int]:
    """Writes an index of its own, with its vectors, to `target`, and returns what was changed.

    `passages` is a file as a source `passages` reads it. Passages with known ids replace the old ones. `delete` has an
    id per line. Raises InputError, MissingInput and ScoreError, before anything is written: for a passage that the file
    has twice, and where there is no room, before any is encoded.
    """
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
    _refuse_without_room(name, place_of(params, name), _distinct(passages) if passages else 0)
    loaded = load_indexed(params, name, live=True)
    assert isinstance(loaded.index, DenseIndex)
    counts = {"passages put": 0, "passages deleted": 0}
    if delete:
        ids = [line for line in delete.read_text("utf-8").splitlines() if line.strip()]
        loaded.delete(ids)
        counts["passages deleted"] = len(set(ids))
    if passages:
        counts["passages put"] = _put(loaded, passages)
    used = {"index": name, "passages": str(passages), "delete": str(delete)}
    model = layout.MODELS / model_of_index(params, name)
    with whole_directory(target, f"distilrank update {name}", used, [model]) as draft:
        loaded.index.write(draft.path)
        draft.counts |= counts
    return counts


def _distinct(file: Path) -> int:
    """The number of passages in a file. Raises InputError for an id that it has twice."""
    known: set[str] = set()
    for ids in _batches(file):
        for passage_id in ids["passage_id"]:
            if passage_id in known:
                raise InputError(
                    file, got=f"the passage '{passage_id}' twice", expected="each id once",
                    remedy="leave out all but one of them",
                )  # fmt: skip
            known.add(passage_id)
    return len(known)


def _refuse_without_room(name: str, place: Path, added: int) -> None:
    """Tells the size of the index in `place` with so many passages more, and raises InputError without room for it."""
    vectors = vectors_behind(place)
    if not (vectors / VECTORS_FILE).is_file():
        return  # a passage store, which takes no changes
    stored = VectorStore.read(vectors).stored
    passages, width = stored.shape
    index = (place / INDEX_FILE).stat().st_size if (place / INDEX_FILE).is_file() else 0
    index += round(index * added / max(1, passages))
    of_added = added * width * stored.itemsize
    what = f"an index of {passages + added:,} passages of {width} numbers, with its vectors"
    # The index is changed in memory, and the vectors that are added wait there.
    refuse_without_room(name, what, Size(stored.nbytes + of_added + index, index + of_added))


def _batches(file: Path) -> Iterator[pl.DataFrame]:
    return Passages(source="passages", location=str(file)).opened().passages()


def _put(model: Model, file: Path) -> int:
    read = 0
    with progress("passages put", None) as advance:
        for batch in _batches(file):
            for some in batch.with_columns(text=WHOLE_TEXT).iter_slices(_AT_ONCE):
                model.put(dict(some.select("passage_id", "text").iter_rows()))
                read += len(some)
                advance(len(some))
    return read
