"""Another library's checkpoint on disk: its configuration, its weights, its backbone and its tokenizer."""

import json
import pickle  # for the name of its error alone
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from distilrank.errors import CheckpointError

VOCABULARIES = ["tokenizer.json", "vocab.txt", "vocab.json", "spiece.model"]


@dataclass(frozen=True)
class Checkpoint:
    """The content of a directory in the layout of transformers' save_pretrained."""

    source: Path
    config: dict[str, Any]
    file: Path
    weights: dict[str, Tensor]

    @classmethod
    def read(cls, source: Path) -> Self:
        """Reads a directory. Raises CheckpointError if it is not whole, or if its weights are more than tensors."""
        config = _found(source, ["config.json"])
        file = _found(source, ["model.safetensors", "pytorch_model.bin"])
        try:
            content = json.loads(config.read_text("utf-8"))
        except ValueError as error:
            raise CheckpointError(
                config, got=f"no JSON ({error})", expected="the configuration", remedy="fetch the file again"
            ) from error
        return cls(source, content, file, _tensors(file))

    @property
    def backbone_name(self) -> str | None:
        """The transformer inside, where config.json only names it, as in matchmaker's classes."""
        return self.config.get("bert_model")

    def backbone_config(self) -> PreTrainedConfig:
        """The transformer's configuration, from this directory or from the backbone that it names."""
        where = self.backbone_name or str(self.source)
        try:
            config: PreTrainedConfig = AutoConfig.from_pretrained(where, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                self.source / "config.json",
                got=f"backbone '{where}', whose configuration cannot be read ({_first_line(error)})",
                expected="a transformer's configuration, or bert_model with a folder or a Hugging Face id that has it",
                remedy="set bert_model to a folder with the backbone's config.json and tokenizer",
            ) from error
        return config

    def save_tokenizer(self, backbone: PreTrainedConfig, target: Path) -> None:
        """Writes tokenizer.json and tokenizer_config.json, also from a bare vocabulary.

        Without a vocabulary in the directory, the tokenizer of the backbone that it names is used.
        """
        own = any((self.source / name).is_file() for name in VOCABULARIES)
        where = str(self.source) if own else self.backbone_name
        try:
            if where is None:
                raise OSError(f"none of {VOCABULARIES} is there")
            AutoTokenizer.from_pretrained(where, config=backbone, trust_remote_code=False).save_pretrained(target)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                self.source,
                got=f"no tokenizer that can be read ({_first_line(error)})",
                expected=f"one of {VOCABULARIES}",
                remedy="put the tokenizer's files of the model's backbone beside its weights",
            ) from error


def _found(source: Path, names: list[str]) -> Path:
    for name in names:
        if (source / name).is_file():
            return source / name
    raise CheckpointError(
        source,
        got=f"no {' or '.join(names)}",
        expected="a directory as save_pretrained writes it",
        remedy="name the folder with the model's files",
    )


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        # Published files may be pickles. `weights_only` reads tensors from them, and nothing that could run.
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(weights, dict) or not all(isinstance(weight, Tensor) for weight in weights.values()):
            raise pickle.UnpicklingError("not a table of tensors")
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            file, got=f"a file that does not load ({_first_line(error)})", expected="tensors", remedy="fetch it again"
        ) from error
    return weights


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
