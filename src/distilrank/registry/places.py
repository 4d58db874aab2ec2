"""The places of champion, previous, challenger and best, and who may take them when."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from distilrank.errors import InputError
from distilrank.registry.names import Alias, Tag, version_with

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


class Places(NamedTuple):
    """The versions that have aliases."""

    champion: "ModelVersion | None"
    challenger: "ModelVersion | None"
    previous: "ModelVersion | None"
    best: "ModelVersion | None"

    @classmethod
    def read(cls, client: "MlflowClient", name: str) -> "Places":
        aliases = (Alias.CHAMPION, Alias.CHALLENGER, Alias.PREVIOUS, Alias.BEST)
        return cls(*(version_with(client, name, alias) for alias in aliases))

    def former(self) -> list["ModelVersion"]:
        """Whom a challenger must match: the champion, and the best one so far, so that small losses do not add up."""
        both = {version.version: version for version in (self.champion, self.best) if version}
        return list(both.values())


def crown(client: "MlflowClient", places: Places, challenger: "ModelVersion", is_best: bool) -> None:
    """Makes the challenger champion, in an order that leaves one, and the way back, wherever it is cut short."""
    champion, best, name, number = places.champion, places.best, challenger.name, str(challenger.version)
    _check_unmoved(client, places)
    if best:
        client.set_model_version_tag(name, number, Tag.BEST_BEFORE, str(best.version))
    if champion:
        client.set_registered_model_alias(name, Alias.PREVIOUS, str(champion.version))
    client.set_registered_model_alias(name, Alias.CHAMPION, number)
    if is_best:
        client.set_registered_model_alias(name, Alias.BEST, number)
    if Tag.ROLLED_BACK in challenger.tags:
        client.delete_model_version_tag(name, number, Tag.ROLLED_BACK)
    # Another may have been registered meanwhile.
    now = version_with(client, name, Alias.CHALLENGER)
    if now and now.version == challenger.version:
        client.delete_registered_model_alias(name, Alias.CHALLENGER)


def give_back(client: "MlflowClient", places: Places, previous: "ModelVersion", champion: "ModelVersion") -> None:
    """Makes the previous champion champion again; the one that was is never challenger again."""
    name = champion.name
    _check_unmoved(client, places)
    client.set_model_version_tag(name, champion.version, Tag.ROLLED_BACK, now())
    client.set_registered_model_alias(name, Alias.CHAMPION, str(previous.version))
    client.delete_registered_model_alias(name, Alias.PREVIOUS)
    if places.best and places.best.version == champion.version:
        best = champion.tags.get(Tag.BEST_BEFORE, str(previous.version))
        client.set_registered_model_alias(name, Alias.BEST, best)


def _check_unmoved(client: "MlflowClient", places: Places) -> None:
    """Raises InputError where somebody on another machine gave the champion's place away since it was read."""
    name = next(version.name for version in places if version)
    now = version_with(client, name, Alias.CHAMPION)
    before = places.champion
    if (now.version if now else None) != (before.version if before else None):
        raise InputError(
            name,
            got=f"version {now.version if now else 'none'} as champion, which was not when this began",
            expected=f"version {before.version if before else 'none'}",
            remedy="look at it, then give the command again",
        )


def now() -> str:
    """To the microsecond, so that no two decisions share a file."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%fZ")
