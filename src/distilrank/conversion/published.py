"""Checkpoints by the authors of arXiv 2010.02666, in the layout of matchmaker's classes."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel

from distilrank.artifacts.directories import new_directory
from distilrank.conversion.checkpoint import Checkpoint
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import CheckpointError
from distilrank.rankers.architecture import PublishedArchitecture, PublishedFacts, WrongFact
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import begin_ranker
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.sections.data import Tokens

# The published names of modules, and ours.
COMPRESSOR, CLASSIFIER = "compressor.", "_classification_layer."
OWN_MODULES = {"projection.": COMPRESSOR, "head.": CLASSIFIER}


def import_published(source: Path, target: Path, architecture: str, query_length: int, passage_length: int) -> None:
    """Writes a published checkpoint as a ranker that `load_ranker` reads.

    Lengths count bare tokens: the published 30 and 200 include [CLS] and [SEP], so here they are 28 and 198. The
    published PreTTR counts a passage's positions from after the padded queries of its batch. Here they always count
    from after the longest query. ColBERT and PreTTR were trained with eight [MASK] behind each query. There the user
    adds them to the input, here the ranker adds them. Only weights that no score reads are left out: position numbers,
    and the pooler below a DOT or ColBERT.

    Raises CheckpointError for weights that are unknown, missing, or of another shape, and for an existing target.
    Raises BackboneError if the backbone has too few positions.
    """
    published = {name: one for name, one in ARCHITECTURES.items() if isinstance(one, PublishedArchitecture)}
    if architecture not in published:
        raise CheckpointError(
            f"architecture '{architecture}'",
            got="an architecture without a published layout",
            expected=f"one of {list(published)}",
            remedy="name the checkpoint's own architecture",
        )
    checkpoint = Checkpoint.read(source)
    lengths = Tokens(query_length=query_length, passage_length=passage_length)
    made_with = {"architecture": architecture, **lengths.model_dump()}
    with new_directory(target, "import-published", made_with, checkpoint.file) as directory:
        config = checkpoint.backbone_config()
        checkpoint.save_tokenizer(config, directory)
        params = _params(published[architecture], checkpoint, config.num_hidden_layers)
        ranker = begin_ranker(params, AutoModel.from_config(config), lengths, TextTokenizer(directory))
        _take_weights(ranker, published[architecture], checkpoint)
        ranker.save_pretrained(directory)


def _params(architecture: PublishedArchitecture, checkpoint: Checkpoint, layers: int) -> RankerParams:
    compressor = checkpoint.weights.get(f"{COMPRESSOR}weight")
    dimension = None if compressor is None else len(compressor)
    pooled = any(name.startswith(f"{_prefix(checkpoint)}pooler.") for name in checkpoint.weights)
    try:
        return architecture.published(PublishedFacts(layers, dimension, pooled, checkpoint.config))
    except WrongFact as error:
        raise CheckpointError(
            checkpoint.source / "config.json",
            got=error.got,
            expected=error.expected,
            remedy=f"correct {error.key}",
        ) from error


def _take_weights(ranker: Ranker, architecture: PublishedArchitecture, checkpoint: Checkpoint) -> None:
    own = {_published_name(name, _prefix(checkpoint)): weight for name, weight in ranker.state_dict().items()}
    if not architecture.published_head_has_bias:
        own.pop(f"{CLASSIFIER}bias").zero_()
    given = {
        name: weight for name, weight in checkpoint.weights.items() if name in own or not _unread(name, checkpoint)
    }
    _check(checkpoint.file, given, own)
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(given[name])


def _check(file: Path, given: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    misshapen = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    faults = {
        "unknown": sorted(given.keys() - own.keys()),
        "missing": sorted(own.keys() - given.keys()),
        "of another shape": misshapen,
    }
    if found := [f"{len(names)} {fault}: {', '.join(names)}" for fault, names in faults.items() if names]:
        raise CheckpointError(
            file,
            got=f"weights {'; '.join(found)}",
            expected="those of the published layout",
            remedy="name the checkpoint's own architecture",
        )


def _prefix(checkpoint: Checkpoint) -> str:
    """The prefix of the transformer's weights, empty where the checkpoint itself is the transformer."""
    return "bert_model." if checkpoint.backbone_name else ""


def _published_name(name: str, prefix: str) -> str:
    for ours, published in OWN_MODULES.items():
        if name.startswith(ours):
            return published + name.removeprefix(ours)
    return prefix + name.removeprefix("backbone.")


def _unread(name: str, checkpoint: Checkpoint) -> bool:
    return name.endswith(".position_ids") or name.startswith(f"{_prefix(checkpoint)}pooler.")
