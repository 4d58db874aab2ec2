"""What a stage tells of itself while it works, to whoever remembers: the command line hands MLflow in."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Record(Protocol):
    """Is told of a stage's figures as they come, and of the model it trained; never raises."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def finish(self, directory: Path) -> None: ...


# Begins the record of a stage: its name, its params, and its work directory.
Track = Callable[[str, Mapping[str, Any], Path], AbstractContextManager[Record]]
