"""update: writes an index with passages added, replaced and deleted. The pipeline's outputs stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.derived import model_of_index
from distilrank.config.params import Params
from distilrank.config.systems import first_stages
from distilrank.data.collection import SCHEMAS, WHOLE_TEXT
from distilrank.data.sources.passages import Passages
from distilrank.errors import InputError
from distilrank.indexed import place_of
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.retrieval.dense import INDEX_FILE, DenseIndex
from distilrank.retrieval.fitting import Size, refuse_without_room
from distilrank.retrieval.made_from import vectors_behind
from distilrank.retrieval.updated import is_updated, model_behind, put_passages, write_put
from distilrank.retrieval.vector_store import VECTORS_FILE, VectorStore

_AT_ONCE = 4_096


def update(params: Params, name: str, target: Path, passages: Path | None, delete: Path | None) -> dict[str, int]:
    """Writes an index of its own, with its vectors, to `target`, and returns what was changed.

    It starts from what searches by `name`, or from the updated index in that directory. `passages` is a file as a
    source `passages` reads it. Passages with known ids replace the old ones. `delete` has an id per line. Raises
    InputError, MissingInput and ScoreError, before anything is written: for a passage that the file has twice, and
    where there is no room, before any is encoded.
    """
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
    model, place = _begun_from(params, name)
    _refuse_without_room(name, place, _distinct(passages) if passages else 0)
    loaded = Model.load(model, place, live=True)
    assert isinstance(loaded.index, DenseIndex)
    gone = [line for line in delete.read_text("utf-8").splitlines() if line.strip()] if delete else []
    if gone:
        loaded.delete(gone)
    put = _put(loaded, passages) if passages else pl.DataFrame(schema=SCHEMAS["passages"])
    before = put_passages(place).collect() if is_updated(place) else None
    used = {"index": name, "passages": str(passages), "delete": str(delete)}
    made_from = [Path(source) for source in read_manifest(vectors_behind(place)).inputs]
    with whole_directory(target, f"distilrank update {name}", used, made_from) as draft:
        loaded.index.write(draft.path)
        write_put(before, put, gone, draft.path)
        draft.counts |= {"passages put": len(put), "passages deleted": len(set(gone))}
    return draft.counts


def _begun_from(params: Params, name: str) -> tuple[Path, Path]:
    """The model and what searches its passages. A name in the params goes before a directory of the same name."""
    place = Path(name)
    if name not in first_stages(params) and is_updated(place):
        return model_behind(place), place
    return layout.MODELS / model_of_index(params, name), place_of(params, name)


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
    columns = [*SCHEMAS["passages"]]
    for batch in Passages(source="passages", location=str(file)).opened().passages():
        yield batch.select(pl.col(columns).fill_null(""))


def _put(model: Model, file: Path) -> pl.DataFrame:
    """Puts a file's passages, and returns them. Their vectors wait in memory too."""
    tables = [pl.DataFrame(schema=SCHEMAS["passages"])]
    with progress("passages put", None) as advance:
        for batch in _batches(file):
            tables.append(batch)
            for some in batch.with_columns(text=WHOLE_TEXT).iter_slices(_AT_ONCE):
                model.put(dict(some.select("passage_id", "text").iter_rows()))
                advance(len(some))
    return pl.concat(tables)
