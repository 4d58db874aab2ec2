"""Tells from JSON files alone what a folder of another library, or of ours, holds. It reads no weights."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from transformers import AutoConfig, PreTrainedConfig

from distilrank.errors import CheckpointError

WEIGHTS = "model.safetensors"


class Form(StrEnum):
    """The kinds of checkpoints that become rankers."""

    OWN = "a ranker of DistilRank"
    CROSS_ENCODER = "a CrossEncoder"
    SENTENCE_TRANSFORMER = "a SentenceTransformer"
    MULTI_VECTOR = "a MultiVectorEncoder"
    CLASSIFIER = "a sequence classifier"
    ENCODER = "a pretrained encoder"


# By the model type in config_sentence_transformers.json. PyLate called its own type ColBERT. Models from before there
# were types are SentenceTransformers.
_OF_SENTENCE_TRANSFORMERS = {
    "CrossEncoder": Form.CROSS_ENCODER,
    "SentenceTransformer": Form.SENTENCE_TRANSFORMER,
    "MultiVectorEncoder": Form.MULTI_VECTOR,
    "ColBERT": Form.MULTI_VECTOR,
}
_REMEDY = "name a checkpoint of one of these kinds"


def form_of(folder: Path) -> Form:
    """The form of a folder. Raises CheckpointError for what is no checkpoint, and for one that cannot become a
    ranker."""
    if (folder / "modules.json").is_file():
        return _of_sentence_transformers(folder)
    described = _described(folder / "config.json")
    if isinstance(described.get("ranker"), dict):
        return Form.OWN
    architectures = " ".join(described.get("architectures") or [])
    if "HF_ColBERT" in architectures:
        return Form.MULTI_VECTOR
    config = transformer_config(folder)
    if "ForSequenceClassification" in architectures:
        _refuse_more_labels(folder, config)
        return Form.CLASSIFIER
    if "CausalLM" in architectures or config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise refused(folder, f"a decoder without a classifier ({architectures or config.model_type})")
    return Form.ENCODER


def transformer_folder(folder: Path) -> Path:
    """The folder of its transformer. In a model of sentence-transformers, that is the first module's."""
    modules = folder / "modules.json"
    return folder / _modules(modules)[0]["path"] if modules.is_file() else folder


def transformer_config(folder: Path) -> PreTrainedConfig:
    """The configuration of its transformer. Raises CheckpointError."""
    place = transformer_folder(folder)
    described = _described(place / "config.json")
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        remote = " whose code comes with it" if "auto_map" in described else ""
        raise refused(folder, f"a model of type {described.get('model_type')}{remote}") from error
    return config


def refuse_pickles(folder: Path) -> None:
    """Raises CheckpointError if weights are in no safetensors file."""
    missing = {transformer_folder(folder)} | {file.parent for file in folder.rglob("pytorch_model.bin")}
    for place in sorted(missing):
        if not (place / WEIGHTS).is_file():
            raise CheckpointError(
                place,
                got=f"no {WEIGHTS}",
                expected="weights in one safetensors file, since other formats may run code when they are read",
                remedy="save the model again with its library's `save_pretrained`",
            )


def refused(folder: Path, got: str) -> CheckpointError:
    """The error that says what can be a teacher."""
    return CheckpointError(folder, got=got, expected=", ".join(Form), remedy=_REMEDY)


def _of_sentence_transformers(folder: Path) -> Form:
    settings = folder / "config_sentence_transformers.json"
    kind = _described(settings).get("model_type") if settings.is_file() else None
    kind = kind or "SentenceTransformer"
    if kind not in _OF_SENTENCE_TRANSFORMERS:
        raise refused(folder, f"a {kind}")
    config = transformer_config(folder)
    if len(_modules(folder / "modules.json")) == 1 and kind == "CrossEncoder":
        _refuse_more_labels(folder, config)
    return _OF_SENTENCE_TRANSFORMERS[kind]


def _refuse_more_labels(folder: Path, config: PreTrainedConfig) -> None:
    if config.num_labels != 1:
        raise CheckpointError(
            folder,
            got=f"a classifier of {config.num_labels} labels",
            expected="one label, whose logit is the score of a pair",
            remedy="name a model that was trained to score pairs",
        )


def _described(file: Path) -> dict[str, Any]:
    described = _json(file)
    return described if isinstance(described, dict) else _misshapen(file, "an object")


def _modules(file: Path) -> list[dict[str, str]]:
    modules = _json(file)
    if isinstance(modules, list) and modules and all(isinstance(one, dict) and "path" in one for one in modules):
        return modules
    return _misshapen(file, "a list of modules with their paths")


def _misshapen(file: Path, expected: str) -> NoReturn:
    raise CheckpointError(
        file, got="JSON of another shape", expected=f"{expected}, as its library wrote it", remedy="fetch it again"
    )


def _json(file: Path) -> Any:
    if not file.is_file():
        raise refused(file.parent, f"no {file.name}")
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointError(
            file, got=f"no JSON ({error})", expected="the file as its library wrote it", remedy="fetch it again"
        ) from error
