"""Work in progress: below .work/<stage>/<fingerprint>/, outside the outputs, where it survives `kill -9`."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distilrank.artifacts.files import sha256_of
from distilrank.artifacts.manifest import digest

WORK = Path(".work")


@contextmanager
def work_directory(stage: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> Iterator[Path]:
    """The place for a stage's work in progress; the same params, inputs and code find it again after a kill.

    It is removed when the block ends well and stays when it does not.
    """
    identity = {
        "params": dict(params),
        "inputs": {str(source): digest(source) for source in inputs},
        "code": _code_digest(),
    }
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    directory = WORK / stage / fingerprint
    directory.mkdir(parents=True, exist_ok=True)
    yield directory
    shutil.rmtree(directory)


def _code_digest() -> str:
    """A digest of this package's sources: work begun by other code is not gone on with."""
    package = Path(__file__).parents[1]
    sums = [f"{file.relative_to(package)} {sha256_of(file)}" for file in sorted(package.rglob("*.py"))]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()
