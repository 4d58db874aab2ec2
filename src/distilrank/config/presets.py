"""Presets: params.yaml files for known purposes, in presets/ at the root of the project."""

from pathlib import Path

from distilrank.artifacts.files import write_text
from distilrank.config.params import PARAMS_FILE
from distilrank.errors import InputError

PRESETS = Path("presets")


def use_preset(name: str) -> None:
    """Makes a preset the project's params. Raises InputError for an unknown one, and where the user's own would go."""
    texts = {file.stem: file.read_text("utf-8") for file in sorted(PRESETS.glob("*.yaml"))}
    if name not in texts:
        raise InputError("preset", got=f"'{name}'", expected=f"one of {list(texts)}", remedy="name one of these")
    if PARAMS_FILE.is_file() and PARAMS_FILE.read_text("utf-8") not in texts.values():
        raise InputError(
            PARAMS_FILE,
            got="params of your own",
            expected="a preset as it came, or no file",
            remedy="move it away first; it would be overwritten",
        )
    write_text(PARAMS_FILE, texts[name])
