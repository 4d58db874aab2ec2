"""The code that a stage's result depends on, as one digest per stage.

The digest covers the syntax trees of all modules that the stage's module imports, directly or not, the templates and
styles beside them, and the pinned versions of the libraries that they import. It is the same on every Python and every
machine.
"""

import ast
import hashlib
import json
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from distilrank.artifacts.files import sha256_of
from distilrank.artifacts.own_imports import PACKAGE, files_named, imported_names, reached_from, running

# The modules in stages/ that are commands.
STAGES = (
    "collect", "tokenize", "candidates", "triples", "find", "mine", "teach", "import_model", "score", "score_bm25",
    "score_dev", "ensemble", "import_scores", "distil", "encode", "index", "quality", "evaluate", "systems", "metrics",
    "latency", "audit", "report",
)  # fmt: skip
CONSTRAINTS = Path("constraints.txt")
# What changes no result. Stages read params.yaml through config/entries.py and config/params.py, and dvc.yaml names the
# params of each stage. What is computed from params is in config/derived.py, which is not left out.
LEFT_OUT = {
    "__init__.py",
    "artifacts/locks.py",
    "artifacts/work.py",
    "config/entries.py",
    "config/params.py",
    "errors.py",
    "progress.py",
    "redaction.py",
    "registry/fetched.py",
}
# Modules that a stage finds by name in the params, and so imports nowhere.
_CALLED_BY_PARAMS = {
    "collect": ["data/sources/table.py"],
    "report": ["data/sources/section.py", "losses/base.py", "sections/data.py"],
}
# The libraries that compute behind an import, where they are not one library of the same name.
_LIBRARIES = {
    "faiss": ["faiss-cpu"],  # or faiss-gpu, which has no pin of its own
    "ir_measures": ["ir-measures", "pytrec-eval-terrier"],
    "Stemmer": ["pystemmer"],
    "transformers": ["accelerate", "transformers"],
}
# Libraries that only check, show, fetch or distribute.
_NO_MATTER = {"boto3", "botocore.exceptions", "huggingface_hub", "pydantic", "ray", "requests", "rich"}


class Code:
    """A package's code, each file read once, and the pins of a constraints.txt, if there is one."""

    def __init__(self, package: Path = PACKAGE, constraints: Path = CONSTRAINTS) -> None:
        self._package, self._constraints = package, constraints
        self._left_out = {package / name for name in LEFT_OUT}
        self._running = cache(running)
        self._names = cache(lambda file: _names_in(self._running(file)))
        self._imports = cache(lambda file: files_named(self._names(file), package))

    def digest(self, stage: str) -> str:
        """The digest of a module in stages/, by its name."""
        files = self.reached(stage)
        parts = {file.relative_to(self._package).as_posix(): _digest_of(self._running(file)) for file in files}
        beside = {file for module in files for file in self._beside(module)}
        parts |= {file.relative_to(self._package).as_posix(): sha256_of(file) for file in beside}
        return _digest([parts, self.pins(files)])[:32]

    def reached(self, stage: str) -> set[Path]:
        """The modules that its digest covers, without packages that hold only a docstring."""
        start = [self._package / name for name in (f"stages/{stage}.py", *_CALLED_BY_PARAMS.get(stage, []))]
        return {file for file in reached_from(start, self._imports, self._left_out) if self._running(file).body}

    def pins(self, files: set[Path]) -> dict[str, str]:
        """The versions of the libraries that these modules import, by library."""
        pins = _pins(self._constraints) if self._constraints.is_file() else {}
        names = libraries({name for file in files for name in self._names(file)})
        return {name: pins[name] for name in names if name in pins}

    def _beside(self, module: Path) -> set[Path]:
        """The templates and styles in the folder of a module that loads one of them, since one may include another."""
        beside = {file for kind in ("*.jinja", "*.css") for file in module.parent.glob(kind)}
        nodes = ast.walk(self._running(module)) if beside else ()
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        return beside if texts & {file.name for file in beside} else set()


@cache
def installed_code() -> Code:
    """The code of this package, which does not change while a process runs."""
    return Code()


def libraries(imported: Collection[str]) -> set[str]:
    """The libraries that compute behind these imports, named as in constraints.txt, and imported modules of Python
    itself."""
    found = set()
    for name in imported:
        top = name.partition(".")[0]
        if not any(name == other or name.startswith(f"{other}.") for other in _NO_MATTER):
            found |= set(_LIBRARIES.get(top, [re.sub(r"[-_.]+", "-", top).lower()]))
    return found


def _pins(constraints: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", constraints.read_text("utf-8"), re.MULTILINE))


@cache
def _names_in(tree: ast.Module) -> frozenset[str]:
    return frozenset(imported_names(tree))


@cache
def _digest_of(tree: ast.Module) -> str:
    return _digest(_plain(tree))


def _plain(node: object) -> Any:
    """A syntax tree as JSON values. Empty fields are left out, because newer Pythons add some."""
    match node:
        case ast.Constant():
            return ["Constant", type(node.value).__name__, ascii(node.value)]
        case ast.AST():
            fields = {name: _plain(value) for name, value in ast.iter_fields(node)}
            return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]
        case list():
            return [_plain(one) for one in node]
        case _:
            return node


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
