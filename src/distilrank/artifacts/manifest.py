"""The manifest of a directory: what made it, from which inputs, how much it holds, and a digest of each file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distilrank.artifacts.files import built, sha256_of
from distilrank.errors import MissingInput

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What made a directory, with which params, from which inputs (digests), and what is in it."""

    made_by: str
    params: dict[str, Any]
    inputs: dict[str, str]
    counts: dict[str, int]
    files: dict[str, str]


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a directory. Raises MissingInput if the directory is absent or not whole."""
    return Manifest(**json.loads(built(directory / MANIFEST).read_text("utf-8")))


def digest(directory: Path) -> str:
    """A digest of a whole directory, by its manifest, which holds a digest of every file."""
    read_manifest(directory)
    return sha256_of(directory / MANIFEST)


def faults(directory: Path) -> list[str]:
    """The differences between a directory and its manifest: files that are changed, absent, or not listed.

    Raises MissingInput if the directory is absent or has no manifest.
    """
    expected = read_manifest(directory).files
    there = {str(file.relative_to(directory)): file for file in directory.rglob("*") if file.is_file()}
    there.pop(MANIFEST)
    both = sorted(expected.keys() & there.keys())
    return [
        *(f"{name} is absent" for name in sorted(expected.keys() - there.keys())),
        *(f"{name} is not in its manifest" for name in sorted(there.keys() - expected.keys())),
        *(f"{name} is changed" for name in both if sha256_of(there[name]) != expected[name]),
    ]


def unchanged(directory: Path) -> Path:
    """The directory itself. Raises MissingInput if its files differ from its manifest."""
    if wrong := faults(directory):
        raise MissingInput(
            directory,
            got=f"files that differ from its manifest: {', '.join(wrong)}",
            expected="the files that its stage wrote",
            remedy="remove it, then build it again with `dvc repro`",
        )
    return directory
