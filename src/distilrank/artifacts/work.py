"""Work in progress: below .work/<stage>/<fingerprint>/, outside the outputs, where it survives `kill -9`."""

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
    """The place for the work in progress of a stage, by the name of its module in stages/.

    By the same `name`, the same params, inputs and code find it again after a kill. It is removed when the block ends
    well and stays when it does not.
    """
    identity = {
        "params": dict(params),
        "inputs": {str(source): digest(source) for source in inputs},
        "code": installed_code().digest(stage),
    }
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    directory = WORK / name / fingerprint
    done = directory.with_suffix(".done")
    shutil.rmtree(done, ignore_errors=True)  # left by a kill in the midst of its removal
    directory.mkdir(parents=True, exist_ok=True)
    yield directory
    # At once by its name, else a kill here would leave half of it to go on with.
    directory.rename(done)
    shutil.rmtree(done)
