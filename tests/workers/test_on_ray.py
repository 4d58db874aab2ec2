"""The same scoring on a real Ray cluster of two workers, one of which is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.conftest import ROOT
from tests.scoring.conftest import saved_teacher

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_of
from distilrank.errors import WorkerError
from distilrank.scoring.parts import PairsToScore, ScoredPairs, begin_scoring
from distilrank.workers.local import in_this_process
from distilrank.workers.pool import workers
from distilrank.workers.work import Work, Workplace

pytestmark = pytest.mark.slow(30)

pytest.importorskip("ray")


def test_ray_scores_as_this_process_does_though_a_worker_is_killed(
    project: Path, backbone: Path, tiny_params: Params, cluster: str
) -> None:
    tokens = TokenStore.open(layout.TOKENS)
    work = Work(begin_scoring, saved_teacher(backbone, tiny_params, 0))
    parts = cut_into_parts(tokens)
    killed: set[int] = set()
    on_ray: dict[str, ScoredPairs] = {}
    with workers(work, Workplace.chosen()) as each:
        for scored in each(parts):
            assert scored.name not in on_ray
            on_ray[scored.name] = scored
            running = actors()
            if not killed and len(running) == 2:
                killed.add(running[0].pid)
                os.kill(running[0].pid, signal.SIGKILL)
        assert killed
        another_stands_in_its_place()
    with in_this_process(work) as each:
        here = {scored.name: scored for scored in each(parts)}
    assert on_ray.keys() == here.keys()
    for name, scored in here.items():
        assert on_ray[name].pairs.equals(scored.pairs)
        assert on_ray[name].scores.tobytes() == scored.scores.tobytes()


def cut_into_parts(tokens: TokenStore) -> list[PairsToScore]:
    import polars as pl

    pairs = pairs_of(pl.scan_parquet(layout.TRIPLES / "bm25" / "triples.parquet"))
    return [
        PairsToScore.cut(str(start), pairs.slice(start, 4), tokens, "float32", None)
        for start in range(0, len(pairs), 4)
    ]


def another_stands_in_its_place() -> None:
    """Its process takes a while to start; the other may have scored the rest by then."""
    until = time.monotonic() + 60
    while len(actors()) < 2:
        assert time.monotonic() < until, "no second worker a minute after the first was killed"
        time.sleep(0.1)


def actors() -> list[psutil.Process]:
    named = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]
    return [process for process in named if process.info["cmdline"][0].startswith("ray::_Worker")]


def test_more_than_the_cluster_has_is_refused(cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISTILRANK_GPUS_PER_WORKER", "1")
    expected = "got a cluster of 2 CPUs and 0 GPUs on 1 machines, expected room for 1 workers of 1 CPUs and 1 GPUs each"
    with pytest.raises(WorkerError, match=expected), workers(Work(begin_scoring, tmp_path), Workplace.chosen()):
        pass


def test_more_workers_than_fit_are_refused(cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISTILRANK_WORKERS", "3")
    expected = "expected room for 3 workers of 1 CPUs"
    with pytest.raises(WorkerError, match=expected), workers(Work(begin_scoring, tmp_path), Workplace.chosen()):
        pass


def test_a_cluster_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISTILRANK_RAY_ADDRESS", "nowhere")
    with (
        pytest.raises(WorkerError, match="DISTILRANK_RAY_ADDRESS: got 'nowhere'"),
        workers(Work(begin_scoring, tmp_path), Workplace.chosen()),
    ):
        pass


def test_without_ray_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    """In a process that does not find Ray, as where it is not installed."""
    script = (
        "import sys; from importlib.machinery import PathFinder\n"
        "class NoRay(PathFinder):\n"
        " @classmethod\n"
        " def find_spec(cls, name, *rest): return None if name == 'ray' else PathFinder.find_spec(name, *rest)\n"
        "sys.meta_path = [one for one in sys.meta_path if one is not PathFinder] + [NoRay]\n"
        "sys.argv = ['distilrank', 'score', 'T1', 'bm25']\n"
        "from distilrank.cli.main import main; main()\n"
    )
    (tmp_path / "params.yaml").write_text((ROOT / "tests" / "params.tiny.yaml").read_text())
    environment = os.environ | {"DISTILRANK_RAY_ADDRESS": "auto"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "got 'auto', without Ray installed" in done.stderr
    assert "install the extra `ray`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
