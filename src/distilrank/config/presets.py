"""Presets: params for known purposes. One holds the defaults, the others only what differs; see `overlay`."""

import json
import re
from pathlib import Path

from distilrank.artifacts.files import write_text
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.overlay import overlaid
from distilrank.errors import InputError, did_you_mean
from distilrank.sections.base import is_remote

PRESETS = Path("presets")
# The preset that holds the defaults.
DEFAULT = "aws-api-docs"
_LOCATION = re.compile(r"(^collection:\n  source: passages\n  location: ).*", re.MULTILINE)


def use_preset(name: str = DEFAULT, passages: str | None = None) -> None:
    """Makes a preset the project's params.

    Raises InputError as `preset_params` does, and if the user's own params would be lost.
    """
    text = preset_params(name, passages)
    if PARAMS_FILE.is_file() and PARAMS_FILE.read_text("utf-8") not in preset_texts().values():
        raise InputError(
            PARAMS_FILE,
            got="params of your own",
            expected="an unchanged preset, or no file",
            remedy="move the file away first, since it would be overwritten",
        )
    write_text(PARAMS_FILE, text)


def preset_params(name: str, passages: str | None = None, folder: Path = PRESETS) -> str:
    """The whole params.yaml of a preset. `passages` sets the location in a preset that reads only passages.

    Raises InputError for an unknown preset, or if the passages are missing or the preset does not read any.
    """
    texts = preset_texts(folder)
    if name not in texts:
        remedy = did_you_mean(name, texts, "name one of these")
        raise InputError("preset", got=f"'{name}'", expected=f"one of {list(texts)}", remedy=remedy)
    return texts[name] if passages is None else _of_passages(name, texts[name], passages)


def _of_passages(name: str, text: str, passages: str) -> str:
    """A preset's text with its passages at another location, and the collection named after it."""
    from distilrank.data.sources.section import word_of  # pydantic is slow to import

    # A name of its own, by which its models are registered wherever the texts are.
    word = word_of(Path(passages).stem)
    named = f"\n  name: {word}" if word else ""
    moved, found = _LOCATION.subn(lambda line: line[1] + json.dumps(passages) + named, text)
    if not found:
        raise InputError(
            "--passages",
            got=f"the preset {name}, whose collection has queries of its own",
            expected="a preset of passages alone",
            remedy="add --preset corpus",
        )
    if not is_remote(passages) and not Path(passages).exists():
        raise InputError(
            "--passages",
            got=f"'{passages}', which is not there",
            expected="a folder of .txt and .md files, or a .tsv or .jsonl file",
            remedy="correct the path",
        )
    return moved


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


def unseen_by_dvc(location: str) -> bool:
    """Whether files are outside the folder that the stage `collect` depends on."""
    return is_remote(location) or Path("collections").absolute() not in Path(location).absolute().parents
