"""The pretrained transformer that rankers start from: finds its files, and verifies them."""

from pathlib import Path

from distilrank.artifacts.files import sha256_of
from distilrank.data.hub import folder_of
from distilrank.errors import BackboneError
from distilrank.sections.data import Backbone

FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
_SMALL = [name for name in FILES if name != "model.safetensors"]


def locate_backbone(params: Backbone) -> Path:
    """The local folder with the backbone's files, downloaded if need be, its weights verified. Raises BackboneError."""
    folder = _folder_with(params.model, FILES)
    digest = sha256_of(folder / "model.safetensors") if params.sha256 else None
    if digest != params.sha256:
        raise BackboneError(
            f"backbone {params.model}",
            got=f"sha256 {digest} of {folder / 'model.safetensors'}",
            expected=str(params.sha256),
            remedy="fetch the file again, or correct backbone.sha256 in params.yaml",
        )
    return folder


def locate_description(params: Backbone) -> Path:
    """The local folder with the backbone's configuration and tokenizer. For a Hugging Face id, no weights are
    downloaded.

    Raises BackboneError.
    """
    return _folder_with(params.model, FILES if Path(params.model).is_dir() else _SMALL)


def _folder_with(model: str, files: list[str]) -> Path:
    folder = folder_of(model, files, "backbone")
    for name in files:
        if not (folder / name).is_file():
            raise BackboneError(
                f"backbone {model}",
                got=f"no {name} in {folder}",
                expected=f"the files {FILES}",
                remedy="name another backbone in params.yaml, or add the file",
            )
    return folder
