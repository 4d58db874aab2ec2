"""One training per model, also where one takes the place of another that is still ending on a lost node."""

import time
from pathlib import Path
from threading import Event, Thread

import pytest

from distilrank.artifacts.locks import IN_PLACE_OF_LOST, alone_with
from distilrank.errors import InputError

MODEL = Path("models/T1")


def test_a_training_waits_for_the_lost_one_whose_place_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    begun = Event()
    ended: list[float] = []

    def lost() -> None:
        with alone_with(MODEL):
            begun.set()
            time.sleep(0.5)
            ended.append(time.monotonic())

    thread = Thread(target=lost)
    thread.start()
    begun.wait()
    with pytest.raises(InputError, match="expected one training at a time"), alone_with(MODEL):
        pass
    monkeypatch.setenv(IN_PLACE_OF_LOST, "1")
    with alone_with(MODEL):
        assert ended
    thread.join()
