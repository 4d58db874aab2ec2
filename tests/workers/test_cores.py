"""Cores that a process may really use, and the threads that follow from them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from distilrank.errors import WorkerError
from distilrank.workers.cores import stages_at_once, threads_of_a_training, usable_cores

# What a container sees of the groups that it stands in, by file below the root.
VERSION_2 = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "{quota} 100000\n"}
VERSION_2_SLICE = {
    "proc/self/cgroup": "0::/system.slice/worker.service\n",
    "sys/fs/cgroup/system.slice/cpu.max": "{quota} 100000\n",
    "sys/fs/cgroup/system.slice/worker.service/cpu.max": "max 100000\n",
}
# Docker without a namespace of its own: the path is the host's, the files are the container's.
VERSION_1 = {
    "proc/self/cgroup": "12:cpuset:/docker/5f1c\n4:cpu,cpuacct:/docker/5f1c\n1:name=systemd:/docker/5f1c\n0::/\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "{quota}\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine larger than the one at hand."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.usefixtures("one_core")
def test_affinity_limits_the_cores() -> None:
    assert usable_cores() == 1


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("files", [VERSION_2, VERSION_2_SLICE, VERSION_1])
@pytest.mark.parametrize(("quota", "cores"), [("250000", 2), ("50000", 1), ("max", 64), ("-1", 64), ("9000000", 64)])
def test_a_quota_limits_the_cores(files: dict[str, str], quota: str, cores: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.format(quota=quota))
    assert usable_cores(tmp_path) == cores


@pytest.mark.usefixtures("many_cores")
def test_threads_of_a_training_follow_from_cores_and_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, threads in (("1", 64), ("4", 16), ("100", 1)):
        monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", limit)
        assert (stages_at_once(), threads_of_a_training()) == (int(limit), threads)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_of_a_training() == 3


@pytest.mark.parametrize("limit", ["0", "-1", "two", "1.5"])
def test_a_limit_that_is_no_number_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILRANK_STAGES_AT_ONCE", limit)
    with pytest.raises(WorkerError, match=f"DISTILRANK_STAGES_AT_ONCE: got '{limit}', expected a whole number above 0"):
        stages_at_once()
