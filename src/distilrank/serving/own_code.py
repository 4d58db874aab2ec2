"""The code that a model brings: the modules that serve it, in a package with a name of its own.

If the package were called `distilrank`, a serving process that had imported another distilrank would use that one, and
two models of different versions could not be served together. So its name holds a digest of its content.
"""

import re
from functools import cache
from hashlib import sha256
from importlib.metadata import packages_distributions, version
from pathlib import Path

from distilrank.artifacts.own_imports import PACKAGE, imported_files, reached_from, running

SERVED_RANKER = Path(__file__).with_name("served_ranker.py")
# The tag that holds the name of the code that a model brings.
CODE_TAG = "distilrank.code"
PACKAGE_TAG = "distilrank.package"
# The libraries that the code imports or that read the weights, by their package names. An index also needs Faiss.
REQUIRED = ["mlflow", "numpy", "polars", "pydantic", "rich", "safetensors", "tokenizers", "torch", "transformers"]
# It opens files from anywhere, for trainings that begin on word vectors. Serving never does.
_OF_TRAINING = PACKAGE / "data" / "files.py"
_IMPORT = re.compile(rf"^(\s*(?:from|import)\s+){PACKAGE.name}\b", re.MULTILINE)


def own_name() -> str:
    """The package's name in a model. It changes whenever the serving code does."""
    content = [f"{file.relative_to(PACKAGE)} {file.read_text('utf-8')}" for file in serving_files()]
    return f"{PACKAGE.name}_{sha256(chr(0).join(content).encode()).hexdigest()[:12]}"


def write_own_code(folder: Path) -> Path:
    """Writes the package below `folder` under its own name, and returns its directory."""
    target = folder / own_name()
    for file in serving_files():
        if file == SERVED_RANKER:
            continue  # MLflow keeps this file beside the package
        copy = target / file.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(by_own_name(file, target.name), "utf-8")
    return target


def by_own_name(file: Path, name: str) -> str:
    """The text of a file, with its imports of the package renamed to `name`."""
    return _IMPORT.sub(rf"\1{name}", file.read_text("utf-8"))


def requirements(with_index: bool) -> list[str]:
    """The exact versions that are installed here, without their local build labels: package indexes lack those."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in [*REQUIRED, *(_faiss() if with_index else [])]]


def package_digest(folder: Path) -> str:
    """The digest of all files of a packaged model, except the one that MLflow adds on download."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "registered_model_meta")
    sums = [f"{file.relative_to(folder).as_posix()} {sha256(file.read_bytes()).hexdigest()}" for file in files]
    return sha256("\n".join(sums).encode()).hexdigest()


@cache
def serving_files() -> tuple[Path, ...]:
    """The files of the package that the served model imports, as they were when this process first asked."""
    return tuple(sorted(reached_from([SERVED_RANKER], lambda file: imported_files(running(file)), [_OF_TRAINING])))


@cache
def _faiss() -> list[str]:
    """faiss-cpu or faiss-gpu, whichever is installed; this looks at every installed package."""
    return list(packages_distributions()["faiss"])
