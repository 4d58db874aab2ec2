"""The files of a project beside its params: they come with this package, and make a new project."""

import subprocess
import sysconfig
from pathlib import Path

from distilrank.artifacts.files import write_text
from distilrank.artifacts.own_imports import PACKAGE
from distilrank.errors import InputError

PIPELINE = Path("dvc.yaml")
# The files that `distilrank init` puts into a new project. It writes params.yaml and what follows from it separately.
_COPIED = (
    "dvc.yaml", "prefect.yaml", "constraints.txt", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/plots/*.json",
    "collections/README.md", "flows/*.py", "presets/*.yaml",
)  # fmt: skip
_SHARED = Path("share/distilrank")


def origin() -> Path:
    """The directory of the files: the checkout that this package runs from, or one beside the installed package."""
    checkout = PACKAGE.parents[1]
    return checkout if (checkout / PIPELINE).is_file() else Path(sysconfig.get_path("data")) / _SHARED


def new_project() -> list[Path]:
    """Makes a project in this directory, and a git repository unless it is in one; returns the new files.

    Raises InputError before it writes anything if one of the files exists.
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
