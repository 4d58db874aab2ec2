"""What a killed DVC leaves half written, and that DVC goes on once it is mended."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.lock import make_lock
from tests.conftest import Command
from tests.flows.project import Project

from distilrank.artifacts.dvc_files import DAMAGED, KEPT, LOCK, LockConflict, mend

PIPELINE = """
stages:
  first:
    cmd: mkdir one && echo 1 > one/a && echo 2 > one/b
    deps: [params.yaml]
    outs: [one]
  second:
    cmd: cat one/a one/b > two
    deps: [one]
    outs: [two]
"""
USERS = Path(".dvc/tmp/rwlock")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project(tmp_path_factory.mktemp("built") / "project", PIPELINE)
    project.run("dvc", "repro", check=True)
    return project.directory


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a built project, and the working directory."""
    directory = tmp_path / "project"
    shutil.copytree(built, directory)
    monkeypatch.chdir(directory)
    return directory


def repro() -> "subprocess.CompletedProcess[str]":
    pipe, out = subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(["dvc", "repro"], stdout=pipe, stderr=out, text=True, check=False)


def half(lock: str) -> str:
    return lock[: lock.index("second:") + len("second:")]


def cut_in_its_last_digest(lock: str) -> str:
    return lock[: lock.rindex("md5: ") + len("md5: ") + 8]


@pytest.mark.parametrize("damage", [lambda _: "", half, cut_in_its_last_digest, lambda _: "\0" * 99])
def test_the_last_good_lock_is_put_back(damage: Callable[[str], str], project: Path) -> None:
    mend(print)
    good = LOCK.read_text()
    LOCK.write_text(damage(good))
    told: list[str] = []
    mend(told.append)
    assert LOCK.read_text() == KEPT.read_text() == good
    assert DAMAGED.read_text() == damage(good)
    assert told == [
        "dvc.lock was damaged, as a kill leaves it: the last good one is put back, and DVC restores what that does not "
        "name (the damaged one is .work/dvc.lock.damaged)"
    ]


def test_without_a_good_lock_dvc_restores_what_was_built(project: Path) -> None:
    good = LOCK.read_text()
    LOCK.write_text(half(good))
    assert repro().returncode == 255
    told: list[str] = []
    mend(told.append)
    assert not LOCK.exists()
    assert len(told) == 1
    assert "no good one was kept" in told[0]
    done = repro()
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("is cached - skipping run") == 2
    assert LOCK.read_text() == good


def test_a_lock_of_other_stages_costs_no_more_than_a_restore(project: Path) -> None:
    """Such as one that was kept on another branch."""
    good = LOCK.read_text()
    LOCK.write_text(good[: good.index("  second:")].replace("echo 1", "echo 3"))
    mend(print)
    LOCK.write_text("")
    mend(print)
    done = repro()
    assert done.returncode == 0, done.stdout
    assert "Running stage" not in done.stdout
    assert LOCK.read_text() == good


def test_a_lock_that_is_not_there_stays_away(project: Path) -> None:
    mend(print)
    LOCK.unlink()
    mend(print)
    assert not LOCK.exists()


def test_a_conflict_is_left_to_the_user(project: Path, command: Command) -> None:
    conflict = LOCK.read_text().replace("  second:", "<<<<<<< HEAD\n=======\n>>>>>>> other\n  second:")
    LOCK.write_text(conflict)
    with pytest.raises(LockConflict):
        mend(print)
    refused = command(project, "distilrank", "check")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("distilrank: dvc.lock: got both sides of a git conflict, expected one side;")
    assert LOCK.read_text() == conflict


def test_check_mends_whatever_the_params_are(project: Path, command: Command) -> None:
    LOCK.write_text("")
    done = command(project, "distilrank", "check")
    assert done.stdout.startswith("dvc.lock was damaged")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.startswith("distilrank: params.yaml: ")
    assert not LOCK.exists()


def test_a_lock_that_dvc_is_writing_is_not_damaged(project: Path) -> None:
    good = LOCK.read_text()
    told: list[str] = []
    with make_lock(".dvc/tmp/lock"):
        LOCK.write_text("")
        mending = threading.Thread(target=mend, args=[told.append])
        mending.start()
        time.sleep(0.2)
        LOCK.write_text(good)
    mending.join()
    assert told == []
    assert LOCK.read_text() == good


@pytest.mark.parametrize("damage", ["", '{"write": {"', "[]"])
def test_a_damaged_list_of_users_is_taken_away(damage: str, project: Path) -> None:
    USERS.write_text(damage)
    told: list[str] = []
    mend(told.append)
    assert told == [".dvc/tmp/rwlock was damaged, as a kill leaves it: it is taken away"]
    assert not USERS.exists()


def test_dvc_goes_on_with_a_mended_list_of_users(project: Path) -> None:
    USERS.write_text("")
    assert "Unable to read RWLock-file" in repro().stdout
    mend(print)
    assert repro().returncode == 0
    # The process that has the number of a killed DVC: this one.
    USERS.write_text(json.dumps({"write": {str(project / "one"): {"pid": os.getpid(), "cmd": "/bin/dvc repro"}}}))
    assert "is busy" in repro().stdout
    mend(print)
    done = repro()
    assert done.returncode == 0, done.stdout


def test_a_dvc_that_lives_stays_in_the_list_of_users(project: Path) -> None:
    with subprocess.Popen(["bash", "-c", "read; exit", "dvc", "repro", "one"], stdin=subprocess.PIPE) as living:
        users = {"write": {str(project / "one"): {"pid": living.pid, "cmd": "/bin/dvc repro one"}}, "read": {}}
        USERS.write_text(json.dumps(users))
        mend(print)
        living.kill()
    assert json.loads(USERS.read_text()) == users


def test_dvc_goes_on_after_an_entry_of_the_run_cache_that_was_not_finished(project: Path) -> None:
    # Without a lock it looks for both there, and fails on the place of one.
    LOCK.unlink()
    entries = list(Path(".dvc/cache/runs").glob("*/*/*"))
    for entry in entries:
        entry.unlink()
    (entries[0].parent / "Hb6iXtgTkYwrZ4Na.tmp").write_text("cmd: mkdir one")
    assert "failed to reproduce" in repro().stdout
    mend(print)
    done = repro()
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Running stage") == 2


def test_the_run_cache_may_be_elsewhere(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "shared" / "runs" / "ab" / ("ab" * 32)
    place.mkdir(parents=True)
    Path(".dvc/config.local").write_text("[cache]\n    dir = ../../shared\n")
    mend(print)
    assert not place.exists()
