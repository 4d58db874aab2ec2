"""Files that are whole or absent, and their digests."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from distilrank.errors import MissingInput


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def built(file: Path) -> Path:
    """The file itself. Raises MissingInput if the stage that writes it has not run."""
    if not file.is_file():
        raise MissingInput(
            file,
            got="no such file",
            expected="the output of an earlier stage",
            remedy="build it with `dvc repro`, from the root of the project",
        )
    return file


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
