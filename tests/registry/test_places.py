"""Who has which alias, after promotions and rollbacks in any order, and wherever one is cut short."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from distilrank.errors import InputError
from distilrank.registry.names import Alias, Tag, version_with
from distilrank.registry.places import Places, crown, give_back, no_longer_challenger

pytestmark = pytest.mark.slow(10)


class Killed(BaseException):
    """As a kill ends a process: nothing after it happens."""


class Dying:
    """MLflow's client, until it has written so many times."""

    def __init__(self, client: MlflowClient, writes: int) -> None:
        self._client, self._writes = client, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not name.startswith(("set_", "delete_")):
            return found
        if self._writes == 0:
            raise Killed
        self._writes -= 1
        return found


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db")


class Model:
    """A registered model whose versions have nothing but their numbers."""

    def __init__(self, client: MlflowClient, versions: int) -> None:
        self.client, self.name = client, uuid4().hex
        client.create_registered_model(self.name)
        for _ in range(versions):
            client.create_model_version(self.name, str(Path("/nowhere")))

    def version(self, number: int) -> ModelVersion:
        return self.client.get_model_version(self.name, str(number))

    def number(self, alias: Alias) -> int | None:
        version = version_with(self.client, self.name, alias)
        return int(version.version) if version else None

    def promote(self, number: int, is_best: bool, client: Any = None) -> None:
        challenger = self.version(number)
        crown(client or self.client, Places.read(self.client, self.name), challenger, is_best)

    def has_a_way_back(self, champion: int) -> bool:
        before = self.version(champion).tags.get(Tag.CHAMPION_BEFORE)
        return before is not None and Tag.ROLLED_BACK not in self.version(int(before)).tags

    def roll_back(self, client: Any = None) -> None:
        """To the champion before, as `distilrank rollback` finds it."""
        places = Places.read(self.client, self.name)
        assert places.champion
        before = int(places.champion.tags[Tag.CHAMPION_BEFORE])
        give_back(client or self.client, places, places.champion, self.version(before))


def cuts(change: Any) -> Iterator[int]:
    """Makes a change that dies after each of its writes, until it does not."""
    for writes in range(20):
        try:
            change(writes)
        except Killed:
            yield writes
        else:
            return
    raise AssertionError("it never ends")


def test_a_promotion_that_was_cut_short_is_finished_by_the_next(registry: MlflowClient) -> None:
    models: list[Model] = []

    def change(writes: int) -> None:
        models.append(model := Model(registry, 2))
        model.promote(1, is_best=True)
        registry.set_registered_model_alias(model.name, Alias.CHALLENGER, "2")
        model.promote(2, True, Dying(registry, writes))

    for _ in cuts(change):
        model = models[-1]
        assert model.number(Alias.CHAMPION) in (1, 2)
        places = Places.read(registry, model.name)
        if places.challenger and places.challenger.version == model.version(model.number(Alias.CHAMPION) or 0).version:
            no_longer_challenger(registry, places.challenger)
        elif places.challenger:
            model.promote(2, is_best=True)
        assert [model.number(alias) for alias in Alias] == [2, 1, None, 2]
        model.roll_back()
        assert [model.number(alias) for alias in Alias] == [1, None, None, 1]
    assert len(models) > 5


def test_a_rollback_that_was_cut_short_is_finished_by_the_next(registry: MlflowClient) -> None:
    models: list[Model] = []

    def change(writes: int) -> None:
        models.append(model := Model(registry, 2))
        for number in (1, 2):
            model.promote(number, is_best=True)
        model.roll_back(Dying(registry, writes))

    for _ in cuts(change):
        model = models[-1]
        if model.number(Alias.CHAMPION) == 2:
            model.roll_back()
        assert (model.number(Alias.CHAMPION), model.number(Alias.BEST)) == (1, 1)
        assert Tag.ROLLED_BACK in model.version(2).tags
    assert len(models) > 3


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # A sequence is short as it is, and to make it shorter takes minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@example([1, 2, 1, None, None], [1, 2, 3, 4])
@example([2, 1, 3, 2, None, None], [1, 2, 3, 4])
@example([1, 2, 3, None, None, 4], [4, 3, 2, 1])
@given(st.lists(st.one_of(st.integers(1, 4), st.none()), max_size=10), st.permutations([1, 2, 3, 4]))
def test_no_version_that_was_rolled_back_has_a_place(
    registry: MlflowClient, steps: list[int | None], values: list[int]
) -> None:
    """Version n has the n-th value; a number promotes it, None rolls back."""
    model = Model(registry, 4)
    for step in steps:
        champion, best = model.number(Alias.CHAMPION), model.number(Alias.BEST)
        if step and step != champion:
            former = [values[one - 1] for one in (champion, best) if one]
            model.promote(step, is_best=all(values[step - 1] >= value for value in former))
            assert model.number(Alias.CHAMPION) == step
        elif step is None and champion and model.has_a_way_back(champion):
            model.roll_back()
            assert Tag.ROLLED_BACK in model.version(champion).tags
        for alias in (Alias.CHAMPION, Alias.BEST, Alias.PREVIOUS):
            if number := model.number(alias):
                assert Tag.ROLLED_BACK not in model.version(number).tags, (steps, alias)
        former = [int(one.version) for one in Places.read(registry, model.name).former()]
        assert model.number(Alias.CHAMPION) is None or model.number(Alias.CHAMPION) in former


def test_the_best_champion_stays_the_bar_where_no_alias_says_so(registry: MlflowClient) -> None:
    """As in a registry of before, whose champions were never called best."""
    model = Model(registry, 2)
    registry.set_registered_model_alias(model.name, Alias.CHAMPION, "1")
    model.promote(2, is_best=False)
    assert model.number(Alias.BEST) == 1


def test_a_challenger_that_another_machine_rolled_back_meanwhile_is_not_crowned(registry: MlflowClient) -> None:
    model = Model(registry, 2)
    model.promote(1, is_best=True)
    begun, challenger = Places.read(registry, model.name), model.version(2)
    model.promote(2, is_best=True)
    model.roll_back()
    with pytest.raises(InputError, match="got a rollback since this command began"):
        crown(registry, begun, challenger, is_best=True)
