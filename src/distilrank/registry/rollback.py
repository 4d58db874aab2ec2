"""The way back: the previous champion takes its place again."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from distilrank.errors import InputError
from distilrank.mlflow_client import connect
from distilrank.params import Params
from distilrank.registry.alone import alone_with_registry
from distilrank.registry.clean_process import made_up_requests
from distilrank.registry.gates import Gate
from distilrank.registry.names import Tag, registered_name
from distilrank.registry.packaged import downloaded, file_gates
from distilrank.registry.places import Places, give_back


@dataclass(frozen=True)
class Rollback:
    """Which version is champion again, or would be if the gates had let it, and which one no longer is."""

    name: str
    champion: int
    former: int
    gates: tuple[Gate, ...]

    @property
    def refused_by(self) -> list[Gate]:
        return [gate for gate in self.gates if not gate.passed]


def rollback(params: Params, model: str) -> Rollback:
    """Makes the previous champion champion again, if it loads. Raises InputError where there is none."""
    name = registered_name(params, model)
    with alone_with_registry():
        client, _ = connect()
        places = Places.read(client, name)
        champion, previous = places.champion, places.previous
        if previous is None or champion is None or previous.version == champion.version:
            raise InputError(
                name,
                got="no previous champion",
                expected="one",
                remedy="promote a challenger, or set the alias champion",
            )
        with TemporaryDirectory() as folder:
            requests = made_up_requests(Tag.INDEX in previous.tags)
            gates, _ = file_gates(downloaded(client, previous, Path(folder)), previous, requests)
        done = Rollback(name, int(previous.version), int(champion.version), gates)
        if not done.refused_by:
            give_back(client, places, previous, champion)
        return done
