"""The pipeline as a Prefect flow: every stage of dvc.yaml a task, independent stages at once.

`python -m flows.pipeline`, from the directory that holds dvc.yaml, runs on the server at PREFECT_API_URL, or without
one on Prefect's ephemeral server. It ends with exit code 0 if all is built, 1 if a stage failed, 2 if DVC cannot read
the pipeline.
"""

import json
import os
import signal
import sys
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import Any

from prefect import State, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from distilrank.layout import METRICS
from flows.command import PipelineError
from flows.graph import read_graph
from flows.leash import Leash
from flows.lock import locked_stages, order_new_stages
from flows.results import results_page
from flows.server import start_server
from flows.stage import StageFailed, run_stage


@task(task_run_name="{stage}", cache_policy=NO_CACHE)
def build(stage: str, leash: Leash) -> State[None]:
    """Bring one stage up to date; the final state's name says what DVC did: Built, Restored or UpToDate."""
    try:
        done = run_stage(stage, leash, get_run_logger().info)
    except StageFailed as failure:
        return Failed(message=f"{stage}: {failure}")
    return Completed(name=done)


# Prefect leaves the runner's type parameter open, which mypy reads as Never.
@flow(name="pipeline", task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count()))  # type: ignore[arg-type]
def pipeline() -> State[None]:
    """Build every stage of dvc.yaml; the final state is Failed, and says why, if one did not build."""
    try:
        graph = read_graph()
    except PipelineError as error:
        return Failed(message=str(error))
    known = locked_stages()
    with Leash() as leash:
        states = conduct(graph, leash)
    order_new_stages(known)
    if failures := [state.message or "" for state in states if state.is_failed()]:
        return Failed(message="\n".join(failures))
    publish_results()
    return Completed()


def conduct(graph: dict[str, set[str]], leash: Leash) -> list[State[Any]]:
    """Submit each stage when all that it depends on have ended, and return every stage's final state.

    Prefect does not run a stage below one that failed: its state is NotReady.
    """
    runs: dict[str, PrefectFuture[State[None]]] = {}
    ended: SimpleQueue[str] = SimpleQueue()

    def start(stage: str) -> None:
        needed = [runs[name] for name in graph[stage]]
        runs[stage] = build.submit(stage, leash, wait_for=needed, return_state=False)
        runs[stage].add_done_callback(lambda _: ended.put(stage))

    order = TopologicalSorter(graph)
    order.prepare()
    while order.is_active():
        for stage in order.get_ready():
            start(stage)
        order.done(ended.get())
    return [run.state for run in runs.values()]


def publish_results() -> None:
    """Show the results, where the pipeline made some, as an artifact of the flow run."""
    if METRICS.exists():
        create_markdown_artifact(results_page(json.loads(METRICS.read_text(encoding="utf-8"))), key="results")


def main() -> int:
    """Run the flow here and return the exit code."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        read_graph()  # a mistake shows at once, before any server starts
        os.environ["PREFECT_API_URL"] = server = PREFECT_API_URL.value() or start_server()
        with temporary_settings({PREFECT_API_URL: server}):
            state = pipeline(return_state=True)
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if state.is_completed():
        return 0
    print(state.message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
