"""What a project is made of beside its params: the files that come with this package, and a new project of them."""

import subprocess
import sysconfig
from pathlib import Path

from distilrank.artifacts.files import write_text
from distilrank.artifacts.own_imports import PACKAGE
from distilrank.errors import InputError

PIPELINE = Path("dvc.yaml")
# Patterns of the files that `distilrank init` puts into a new project; params.yaml and what follows from it come apart.
_COPIED = (
    "dvc.yaml", "prefect.yaml", "constraints.txt", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/plots/*.json",
    "collections/README.md", "flows/*.py", "presets/*.yaml",
)  # fmt: skip
_SHARED = Path("share/distilrank")


def origin() -> Path:
    """Where they stand: in the checkout that this package runs from, or beside the installed package."""
    checkout = PACKAGE.parents[1]
    return checkout if (checkout / PIPELINE).is_file() else Path(sysconfig.get_path("data")) / _SHARED


def new_project() -> list[Path]:
    """Makes a project of this directory, in a git repository of its own if it stands in none; returns the new files.

    Raises InputError, before anything is written, where a file of that name is there.
    """
    texts = {file.relative_to(origin()): file.read_text("utf-8") for file in _files()}
    if there := [name for name in texts if name.exists()]:
        raise InputError(
            there[0],
            got="an existing file",
            expected=f"a directory without {PIPELINE}, and without other files of a project",
            remedy="run it in an empty directory",
        )
    for name, text in texts.items():
        name.parent.mkdir(parents=True, exist_ok=True)
        write_text(name, text)
    if subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False).returncode:
        subprocess.run(["git", "init", "--quiet"], check=True)
    return list(texts)


def _files() -> list[Path]:
    files = [file for pattern in _COPIED for file in sorted(origin().glob(pattern))]
    if not files:
        raise InputError(
            origin(), got="no files of a project", expected="those that come with distilrank", remedy="install it again"
        )
    return files
