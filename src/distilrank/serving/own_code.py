"""The code that a model brings: what serves it, under a name of its own, and what that imports.

Under the name `distilrank` it would give way to a distilrank that the serving process has imported before it, and two
versions in one process to each other. So the package is called by a digest of its content there.
"""

import re
from functools import cache
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path

from distilrank.artifacts.own_imports import PACKAGE, imported_files, reached_from, running

SERVED_RANKER = Path(__file__).with_name("served_ranker.py")
# The tag of a model that brings its code: the code's name.
CODE_TAG = "distilrank.code"
PACKAGE_TAG = "distilrank.package"
# What that code imports, and what reads its weights, by the names under which it is installed; Faiss with an index.
REQUIRED = ["mlflow", "numpy", "polars", "pydantic", "rich", "safetensors", "tokenizers", "torch", "transformers"]
# What opens files from anywhere, as a training that begins on word vectors does, and nothing that serves.
_OF_TRAINING = PACKAGE / "data" / "files.py"
_IMPORT = re.compile(rf"^(\s*(?:from|import)\s+){PACKAGE.name}\b", re.MULTILINE)


def own_name() -> str:
    """What the package is called in a model; another name with every change of what serves."""
    content = [f"{file.relative_to(PACKAGE)} {file.read_text('utf-8')}" for file in serving_files()]
    return f"{PACKAGE.name}_{sha256(chr(0).join(content).encode()).hexdigest()[:12]}"


def write_own_code(folder: Path) -> Path:
    """Writes the package below `folder`, by its own name, and returns its place."""
    target = folder / own_name()
    for file in serving_files():
        if file == SERVED_RANKER:
            continue  # MLflow keeps it beside the package
        copy = target / file.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(by_own_name(file, target.name), "utf-8")
    return target


def by_own_name(file: Path, name: str) -> str:
    """The text of a file that imports the package by `name`."""
    return _IMPORT.sub(rf"\1{name}", file.read_text("utf-8"))


def requirements(with_index: bool) -> list[str]:
    """The exact versions that are installed here; without what tells one build from another, which no index has."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in [*REQUIRED, *(_faiss() if with_index else [])]]


def package_digest(folder: Path) -> str:
    """Of every file of a packaged model, but for the one that MLflow adds when it is downloaded."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "registered_model_meta")
    sums = [f"{file.relative_to(folder).as_posix()} {sha256(file.read_bytes()).hexdigest()}" for file in files]
    return sha256("\n".join(sums).encode()).hexdigest()


@cache
def serving_files() -> tuple[Path, ...]:
    """What the served model imports of the package, as it was when a process first asked."""
    return tuple(sorted(reached_from([SERVED_RANKER], lambda file: imported_files(running(file)), [_OF_TRAINING])))


@cache
def _faiss() -> list[str]:
    """faiss-cpu or faiss-gpu; to find out takes a look at every package that is installed."""
    return list(packages_distributions()["faiss"])
