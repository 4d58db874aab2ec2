"""What vectors and indexes were made from. Those of another model or another collection are refused."""

from pathlib import Path

from distilrank.artifacts.layout import MODELS, VECTORS
from distilrank.artifacts.manifest import MANIFEST, digest, read_manifest
from distilrank.errors import MissingInput
from distilrank.retrieval.vector_store import IDS_FILE


def vectors_behind(index: Path) -> Path:
    """The directory of an index's exact vectors: its own, or the one that its manifest names in the same project.

    Raises MissingInput if they are absent, or are not those that it was built of.
    """
    without_manifest = index.is_dir() and not (index / MANIFEST).is_file()
    made_from = {} if without_manifest else read_manifest(index).inputs
    place = next((Path(place) for place in made_from if Path(place).parent == VECTORS), None)
    if place is None and (index / IDS_FILE).is_file():
        return index
    if place is None:
        raise MissingInput(
            index, got="an index that names no vectors", expected="its vectors beside it, or named in its manifest",
            remedy="run `dvc repro`",
        )  # fmt: skip
    vectors = index.absolute().parents[1] / place
    if digest(vectors) != made_from[str(place)]:
        raise _foreign(index, f"an index of other vectors than those of {place}", f"one of {place} as it is now")
    return vectors


def refuse_foreign(vectors: Path, model: Path) -> None:
    """Raises MissingInput for vectors of another model, or of passages that differ from those in the project now."""
    for place, made_from in read_manifest(vectors).inputs.items():
        is_model = Path(place).parent == MODELS
        now = model if is_model else vectors.absolute().parents[1] / place
        # A packaged index stands in no project.
        if (is_model or (now / MANIFEST).is_file()) and digest(now) != made_from:
            what = f"another model than {model}" if is_model else f"another {place}"
            raise _foreign(vectors, f"the vectors of {what}", f"those of {now}")


def _foreign(place: Path, got: str, expected: str) -> MissingInput:
    return MissingInput(place, got=got, expected=expected, remedy="run `dvc repro`")
