"""Rollback: a former champion becomes champion again."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.mlflow_client import connect
from distilrank.registry.alone import alone_with_registry
from distilrank.registry.clean_process import made_up_requests
from distilrank.registry.gates import Gate
from distilrank.registry.names import Tag, registered_name, version_numbered
from distilrank.registry.packaged import downloaded, file_gates
from distilrank.registry.places import Places, give_back

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Rollback:
    """Which version becomes champion again if the gates pass, and which one it replaces."""

    name: str
    champion: int
    former: int
    gates: tuple[Gate, ...]

    @property
    def refused_by(self) -> list[Gate]:
        return [gate for gate in self.gates if not gate.passed]


def rollback(params: Params, model: str, to: int | None = None) -> Rollback:
    """Makes the previous champion, or the former champion `to`, champion again if its files pass the gates.

    Raises InputError if there is none.
    """
    name = registered_name(params, model)
    with alone_with_registry():
        client, _ = connect()
        places = Places.read(client, name)
        if places.champion is None:
            raise InputError(name, got="no champion", expected="one", remedy="promote a challenger")
        target = _target(client, places.champion, to)
        with TemporaryDirectory() as folder:
            requests = made_up_requests(Tag.INDEX in target.tags)
            gates, _ = file_gates(downloaded(client, target, Path(folder)), target, requests)
        done = Rollback(name, int(target.version), int(places.champion.version), gates)
        if not done.refused_by:
            give_back(client, places, places.champion, target)
        return done


def _target(client: "MlflowClient", champion: "ModelVersion", to: int | None) -> "ModelVersion":
    before = champion.tags.get(Tag.CHAMPION_BEFORE)
    if to is None and before is None:
        raise InputError(
            champion.name,
            got=f"no champion before version {champion.version}",
            expected="an earlier champion",
            remedy="promote a challenger",
        )
    target = version_numbered(client, champion.name, to if to is not None else int(before or 0))
    was_champion = Tag.CROWNED in target.tags and Tag.ROLLED_BACK not in target.tags
    if target.version == champion.version or not was_champion:
        raise InputError(
            f"{target.name} version {target.version}",
            got="a version that is champion now, never was champion, or was rolled back",
            expected="a former champion",
            remedy="name another with --to",
        )
    return target
