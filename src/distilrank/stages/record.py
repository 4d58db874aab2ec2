"""What a stage tells of itself while it works. The command line passes in what records it: MLflow."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Record(Protocol):
    """Receives a stage's figures as they come, and the model it trained. It never raises."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def finish(self, directory: Path) -> None: ...


# Begins the record of a stage: its name, its params, and its work directory.
Track = Callable[[str, Mapping[str, Any], Path], AbstractContextManager[Record]]
