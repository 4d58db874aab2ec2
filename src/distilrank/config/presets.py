"""Presets: params for known purposes. One holds the defaults, the others what differs: `overlay` says how."""

from pathlib import Path

from distilrank.artifacts.files import write_text
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.overlay import overlaid
from distilrank.errors import InputError

PRESETS = Path("presets")
# The preset that is whole.
DEFAULT = "aws-api-docs"


def use_preset(name: str = DEFAULT) -> None:
    """Makes a preset the project's params. Raises InputError for an unknown one, and where the user's own would go."""
    texts = preset_texts()
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


def preset_texts(folder: Path = PRESETS) -> dict[str, str]:
    """The whole params.yaml of each preset. Raises InputError."""
    written = {file.stem: file.read_text("utf-8") for file in sorted(folder.glob("*.yaml"))}
    if DEFAULT not in written:
        raise InputError(
            folder / f"{DEFAULT}.yaml",
            got="no such file",
            expected="the defaults",
            remedy="run from the root of the project",
        )
    defaults = written[DEFAULT]
    return {name: text if name == DEFAULT else overlaid(defaults, text) for name, text in written.items()}
