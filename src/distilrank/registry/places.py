"""The aliases champion, previous, challenger and best, and how versions take them.

MLflow changes one alias at a time, and cannot make a change depend on a condition. So each change reads the aliases
again before it writes. It writes them in an order that leaves a champion and a way to roll it back even if it is cut
short. The versions' tags record that way.
"""

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
    best: "ModelVersion | None"

    @classmethod
    def read(cls, client: "MlflowClient", name: str) -> "Places":
        return cls(*(version_with(client, name, alias) for alias in (Alias.CHAMPION, Alias.CHALLENGER, Alias.BEST)))

    def former(self) -> list["ModelVersion"]:
        """The versions that a challenger must match: the champion, and the best one, lest small losses add up."""
        both = {one.version: one for one in (self.champion, self.best) if one and Tag.ROLLED_BACK not in one.tags}
        return list(both.values())


def crown(client: "MlflowClient", places: Places, challenger: "ModelVersion", is_best: bool) -> None:
    """Makes the challenger champion. Raises InputError if another machine changed an alias since `places` was read."""
    champion, name, number = places.champion, challenger.name, str(challenger.version)
    _check_unmoved(client, places, challenger)
    best = places.best or champion
    client.set_model_version_tag(name, number, Tag.CROWNED, now())
    if champion:
        client.set_model_version_tag(name, number, Tag.CHAMPION_BEFORE, str(champion.version))
    if best and best.version != challenger.version:
        client.set_model_version_tag(name, number, Tag.BEST_BEFORE, str(best.version))
    client.set_registered_model_alias(name, Alias.BEST, number if is_best or not best else str(best.version))
    if Tag.ROLLED_BACK in challenger.tags:
        client.delete_model_version_tag(name, number, Tag.ROLLED_BACK)
    if champion:
        client.set_registered_model_alias(name, Alias.PREVIOUS, str(champion.version))
    client.set_registered_model_alias(name, Alias.CHAMPION, number)
    no_longer_challenger(client, challenger)


def no_longer_challenger(client: "MlflowClient", version: "ModelVersion") -> None:
    """Takes the alias challenger from the version, unless a newer one has it by now."""
    now = version_with(client, version.name, Alias.CHALLENGER)
    if now and now.version == version.version:
        client.delete_registered_model_alias(version.name, Alias.CHALLENGER)


def give_back(client: "MlflowClient", places: Places, champion: "ModelVersion", previous: "ModelVersion") -> None:
    """Makes the previous champion champion again. Registering never makes the rolled-back version challenger again.

    Raises InputError if another machine changed an alias since `places` was read.
    """
    name = champion.name
    _check_unmoved(client, places, None)
    if places.best and places.best.version == champion.version:
        best = _before(client, champion, Tag.BEST_BEFORE) or str(previous.version)
        client.set_registered_model_alias(name, Alias.BEST, best)
    client.set_model_version_tag(name, champion.version, Tag.ROLLED_BACK, now())
    client.set_registered_model_alias(name, Alias.CHAMPION, str(previous.version))
    if before := _before(client, previous, Tag.CHAMPION_BEFORE):
        client.set_registered_model_alias(name, Alias.PREVIOUS, before)
    else:
        client.delete_registered_model_alias(name, Alias.PREVIOUS)


def _before(client: "MlflowClient", version: "ModelVersion", tag: Tag) -> str | None:
    """The number of the version before this one by the tag, skipping versions that were rolled back."""
    passed, number = {str(version.version)}, version.tags.get(tag)
    while number and number not in passed:
        other = client.get_model_version(version.name, number)
        if Tag.ROLLED_BACK not in other.tags:
            return str(number)
        passed.add(number)
        number = other.tags.get(tag)
    return None


def _check_unmoved(client: "MlflowClient", places: Places, challenger: "ModelVersion | None") -> None:
    """Raises InputError if champion or best have changed since `places`, or the challenger's rollback tag has."""
    name = next(version.name for version in (*places, challenger) if version)
    now = Places.read(client, name)
    for what, before, after in (("champion", places.champion, now.champion), ("best", places.best, now.best)):
        if _number(before) != _number(after):
            raise InputError(
                name,
                got=f"{_number(after)} as {what} since this command began",
                expected=f"{_number(before)}, as it was",
                remedy=f"check who changed the {what}, then run the command again",
            )
    if challenger:
        tags = client.get_model_version(name, challenger.version).tags
        if (Tag.ROLLED_BACK in tags) != (Tag.ROLLED_BACK in challenger.tags):
            raise InputError(
                f"{name} version {challenger.version}",
                got="a rollback since this command began",
                expected="none meanwhile",
                remedy="check this version, then run the command again",
            )


def _number(version: "ModelVersion | None") -> str:
    return f"version {version.version}" if version else "no version"


def now() -> str:
    """The time to the microsecond, so that no two decisions share a file."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%fZ")
