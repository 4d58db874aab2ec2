"""Environments that hold some of the libraries of this one, and no others."""

import subprocess
import sys
from collections.abc import Collection
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement


def interpreter_with(directory: Path, libraries: Collection[str], without: Collection[str] = ()) -> Path:
    """A Python that finds these libraries and what they need, by links, and no other package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (packages,) = directory.glob("lib/python3*/site-packages")
    for name in _needed_by(libraries) - set(without):
        for file in distribution(name).files or []:
            top = packages / file.parts[0]
            if file.parts[0] != ".." and not top.exists():
                top.symlink_to(Path(str(distribution(name).locate_file(file.parts[0]))))
    return directory / "bin" / "python"


def _needed_by(libraries: Collection[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(libraries)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name.lower())
    return found
