"""What a training took, and whose it is."""

import time
from pathlib import Path

import pytest

from distilrank.artifacts.costs import Cost, Meter
from distilrank.artifacts.directories import whole_directory


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return trained("weights")


def trained(weights: str) -> Path:
    with whole_directory(Path("models/dot"), "distilrank train dot", {}, []) as draft:
        (draft.path / "model.safetensors").write_text(weights)
    return Path("models/dot")


def test_a_training_that_was_killed_goes_on_from_what_it_took(tmp_path: Path) -> None:
    first = Meter(tmp_path)
    time.sleep(0.05)
    first.remember()
    spent = first.read().seconds
    time.sleep(0.5)  # it was dead
    assert 0.05 <= Meter(tmp_path).read().seconds < spent + 0.5


def test_a_cost_is_that_of_the_same_model_alone(model: Path) -> None:
    assert Cost.of(model) is None
    Cost(90.0).keep(model)
    assert Cost.of(model) == Cost(90.0)
    assert Cost.of(trained("other weights")) is None
