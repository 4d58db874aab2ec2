"""Work in progress is found again after a kill, and never half of it."""

import shutil
from pathlib import Path

import pytest

from distilrank.artifacts.work import work_directory


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_work_is_found_again_after_a_kill() -> None:
    with pytest.raises(Killed), work_directory("stage", "evaluate", {"a": 1}, []) as work:
        (work / "half").write_text("done")
        raise Killed
    with work_directory("stage", "evaluate", {"a": 2}, []) as other:
        assert not list(other.iterdir())
    with work_directory("stage", "evaluate", {"a": 1}, []) as again:
        assert (again / "half").read_text() == "done"


def test_a_kill_in_the_midst_of_its_removal_leaves_nothing_to_go_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    removed = shutil.rmtree

    def killed_half_way(directory: Path, **_: object) -> None:
        if (one := directory / "1").exists():
            one.unlink()
            raise Killed
        removed(directory)

    with monkeypatch.context() as patch, pytest.raises(Killed), work_directory("stage", "evaluate", {}, []) as work:
        (work / "1").write_text("a part")
        (work / "2").write_text("another")
        patch.setattr("shutil.rmtree", killed_half_way)
    with work_directory("stage", "evaluate", {}, []) as again:
        assert not list(again.iterdir())
    assert not [file for file in Path(".work").rglob("*") if file.is_file()]
