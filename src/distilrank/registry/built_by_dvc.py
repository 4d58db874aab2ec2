"""Digests of what DVC built, as dvc.lock has them."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from distilrank.errors import MissingInput

DVC_LOCK = Path("dvc.lock")


class BuiltByDvc:
    """The outputs in dvc.lock, by their places."""

    def __init__(self) -> None:
        """Raises MissingInput where there is no dvc.lock."""
        if not DVC_LOCK.is_file():
            raise _not_built(DVC_LOCK)
        lock: dict[str, Any] = YAML(typ="safe", pure=True).load(DVC_LOCK)
        outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
        self._digests: dict[str, str] = {out["path"]: out["md5"] for out in outs}

    def digest(self, place: Path) -> str:
        """Raises MissingInput for what DVC has not built."""
        if str(place) not in self._digests or not place.exists():
            raise _not_built(place)
        return self._digests[str(place)]


def _not_built(place: Path) -> MissingInput:
    return MissingInput(
        place, got="nothing that DVC built", expected="the output of a stage", remedy="build it with `dvc repro`"
    )
