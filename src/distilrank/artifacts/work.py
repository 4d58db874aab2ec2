"""Work in progress, in .work/<stage>/<fingerprint>/. It is outside the outputs, so it survives `kill -9`."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distilrank.artifacts.code import installed_code
from distilrank.artifacts.manifest import digest

WORK = Path(".work")


@contextmanager
def work_directory(name: str, stage: str, params: Mapping[str, Any], inputs: Iterable[Path]) -> Iterator[Path]:
    """The directory for a stage's work in progress. `stage` is the name of its module in stages/.

    The same `name`, params, inputs and code find it again after a kill. It is removed if the block succeeds, and kept
    if it fails.
    """
    identity = {
        "params": dict(params),
        "inputs": {str(source): digest(source) for source in inputs},
        "code": installed_code().digest(stage),
    }
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    directory = WORK / name / fingerprint
    done = directory.with_suffix(".done")
    shutil.rmtree(done, ignore_errors=True)  # left by a kill during its removal
    directory.mkdir(parents=True, exist_ok=True)
    yield directory
    # Renamed first: a kill during the removal would else leave half of it to continue from.
    directory.rename(done)
    shutil.rmtree(done)
