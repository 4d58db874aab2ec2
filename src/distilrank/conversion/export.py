"""Exports rankers to sentence-transformers, as a bi-encoder, a cross-encoder, or a multi-vector encoder."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from distilrank.artifacts.directories import new_directory
from distilrank.errors import CheckpointError
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.table import architecture_of

if TYPE_CHECKING:
    from distilrank.rankers.sentence_transformers import Exported


def export_model(model: Path, target: Path) -> str:
    """Writes a ranker to a new directory; returns the name of the class that loads it there.

    The scores are the ranker's, except for its scale, which the manifest tells.

    With `encode_query` and `encode_document`, DOT and ColBERT cut queries and passages as the ranker does. A plain
    `encode` cuts at the longer of the two lengths. A CrossEncoder has one length for the pair and shortens the longer
    text first. So it can score a pair differently if its query or passage exceeds the ranker's length.

    Raises CheckpointError for an architecture that has no layout elsewhere, InputError for an existing target,
    MissingInput.
    """
    ranker = load_ranker(model).cpu()
    exported = _exported(ranker, model)
    used = {"model": model.name, **exported.told}
    with new_directory(target, "export-model", used, model / "model.safetensors") as directory:
        exported.save(directory)
    return type(exported.model).__name__


def _exported(ranker: Ranker, model: Path) -> "Exported":
    architecture = architecture_of(ranker.params.architecture)
    made: Exported | None = None
    if architecture.can_be_exported:
        made = import_module(f"{type(architecture).__module__}.export").exported(ranker, model)
    if made is None:
        raise CheckpointError(
            model,
            got=f"a ranker {ranker.config.ranker}",
            expected="one that other libraries know, such as dot, cat without passage_prefix, or colbert without "
            "query_masks",
            remedy="export another model",
        )
    return made
