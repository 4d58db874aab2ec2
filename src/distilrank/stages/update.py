"""update: writes an index with passages added, replaced and deleted. The pipeline's outputs stay as they are."""

from pathlib import Path

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import model_of_index
from distilrank.config.params import Params
from distilrank.data.collection import WHOLE_TEXT
from distilrank.data.sources.passages import Passages
from distilrank.errors import InputError
from distilrank.indexed import load_indexed
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.retrieval.dense import DenseIndex

_AT_ONCE = 4_096


def update(params: Params, name: str, target: Path, passages: Path | None, delete: Path | None) -> dict[str, int]:
    """Writes an index of its own, with its vectors, to `target`, and returns what was changed.

    `passages` is a file as a source `passages` reads it. Passages with known ids replace the old ones. `delete` has an
    id per line. Raises InputError, MissingInput and ScoreError, before anything is written.
    """
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
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


def _put(model: Model, file: Path) -> int:
    read = 0
    with progress("passages put", None) as advance:
        for batch in Passages(source="passages", location=str(file)).opened().passages():
            for some in batch.with_columns(text=WHOLE_TEXT).iter_slices(_AT_ONCE):
                model.put(dict(some.select("passage_id", "text").iter_rows()))
                read += len(some)
                advance(len(some))
    return read
