"""What a training took, and whose it is."""

import time
from pathlib import Path

import pytest

from distilrank.artifacts.costs import Cost, Meter
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.energy import EnergyMeter
from distilrank.artifacts.files import read_json


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


def test_a_block_is_remembered_while_it_lasts(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    with meter.remembering(seconds=0.01):
        time.sleep(0.2)
        assert 0 < Cost(**read_json(tmp_path / "cost.json")).seconds <= meter.read().seconds
    assert Meter(tmp_path).read().seconds >= 0.1


def test_a_cost_is_that_of_the_same_model_alone(model: Path) -> None:
    assert Cost.of(model) is None
    Cost(90.0).keep(model)
    assert Cost.of(model) == Cost(90.0)
    assert Cost.of(trained("other weights")) is None


def zone(root: Path, name: str, microjoules: int) -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "energy_uj").write_text(f"{microjoules}\n")
    (root / name / "max_energy_range_uj").write_text("1000000000\n")


def test_energy_is_that_of_all_processors_though_counters_begin_again(tmp_path: Path) -> None:
    for name, microjoules in {"intel-rapl:0": 990_000_000, "intel-rapl:0:0": 5, "intel-rapl:1": 0}.items():
        zone(tmp_path, name, microjoules)
    meter = EnergyMeter(tmp_path)
    assert meter.joules() == 0
    zone(tmp_path, "intel-rapl:0", 10_000_000)
    zone(tmp_path, "intel-rapl:0:0", 9_000_000)
    zone(tmp_path, "intel-rapl:1", 7_000_000)
    assert meter.joules() == pytest.approx(27)
    assert EnergyMeter(tmp_path / "none").joules() is None
