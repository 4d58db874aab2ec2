"""A directory that appears whole or not at all, also where two processes write it, or one died over it."""

import io
import json
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from tests.servers import wait_for

from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import sha256_of
from distilrank.artifacts.manifest import digest
from distilrank.artifacts.work import WORK

OUTPUT = Path("models/one")


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    with whole_directory(OUTPUT, "test", {}, []) as draft:
        (draft.path / "file").write_text(text)


def test_two_that_write_one_output_take_turns() -> None:
    second = threading.Thread(target=write, args=["second"])
    # Not pytest's capture: to read it while another thread writes loses letters.
    with redirect_stdout(io.StringIO()) as told, whole_directory(OUTPUT, "test", {}, []) as draft:
        (draft.path / "file").write_text("first")
        second.start()
        wait_for(told.getvalue, lambda text: text.endswith("\n"))
        (draft.path / "more").write_text("first")
    second.join()
    assert told.getvalue() == "models/one: waiting for another process that writes it\n"
    assert {file.name for file in OUTPUT.iterdir()} == {"file", "manifest.json"}
    assert (OUTPUT / "file").read_text() == "second"
    assert json.loads((OUTPUT / "manifest.json").read_text())["files"] == {"file": sha256_of(OUTPUT / "file")}


def test_what_a_killed_process_left_is_cleared() -> None:
    left = WORK / "writing" / "models-one"
    (left / "folder").mkdir(parents=True)
    (left / "old").write_text("half")
    write("whole")
    assert {file.name for file in OUTPUT.iterdir()} == {"file", "manifest.json"}


def test_a_failure_leaves_the_output_of_before() -> None:
    write("before")
    before = digest(OUTPUT)
    with pytest.raises(KeyError), whole_directory(OUTPUT, "test", {}, []) as draft:
        (draft.path / "file").write_text("half")
        raise KeyError
    assert digest(OUTPUT) == before
    assert not WORK.exists()
