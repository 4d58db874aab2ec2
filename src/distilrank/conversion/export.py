"""Rankers as directories that sentence-transformers reads: a bi-encoder, a cross-encoder, a multi-vector encoder."""

from pathlib import Path

from distilrank.artifacts.directories import new_directory
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.table import ARCHITECTURES


def export_model(model: Path, target: Path) -> None:
    """Writes a ranker to a new directory; the scores are those of the ranker, but for its scale, as its manifest tells.

    DOT and ColBERT cut queries and passages as the ranker does under `encode_query` and `encode_document`; a plain
    `encode` cuts at the longer of the two lengths. A CrossEncoder has one length for the pair and shortens the longer
    text first, so that a pair whose query or passage is beyond the ranker's length can score differently.

    Raises CheckpointError for an architecture that has no layout elsewhere, InputError for an existing target,
    MissingInput.
    """
    ranker = load_ranker(model).cpu()
    exported = ARCHITECTURES[ranker.architecture].exported(ranker, model)
    used = {"model": model.name, **exported.told}
    with new_directory(target, "export-model", used, model / "model.safetensors") as directory:
        exported.model.save(str(directory), create_model_card=False)
