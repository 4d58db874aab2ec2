"""Stages as tasks. Each starts when all that it depends on have ended, and independent ones run at the same time."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect import State, Task, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from distilrank.artifacts.code_file import refuse_stale_code
from distilrank.artifacts.dvc_files import LOCK, keep, mend
from distilrank.artifacts.working_tree import alone_in_working_tree
from distilrank.errors import InputError
from distilrank.redaction import redacted
from distilrank.workers.cores import STAGES_AT_ONCE
from distilrank.workers.leash import Leash
from distilrank.workers.preloaded import PRELOADED, preloaded
from flows.command import DVC, environment, run
from flows.failure import CommandFailed, Kind
from flows.graph import Graph, base, default_remote, lengths_of_chains, marked, read_graph, with_all_they_need
from flows.lock_order import locked_stages, order_new_stages
from flows.orphans import end_orphans, wait_for_trainings
from flows.slots import Slots
from flows.stage import run_stage
from flows.worker import end_with_worker

# The variable with the page of the flow run, for the commands that it starts.
FLOW_RUN = "DISTILRANK_FLOW_RUN"
# Seconds between attempts if a server does not answer.
PAUSES: list[float] = [5, 30, 120]


def may_pass(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    """Whether another attempt may help: only if a server did not answer."""
    return state.name == Kind.UNREACHABLE


def failed(what: str, failure: CommandFailed) -> State[None]:
    """The state of a task whose command failed."""
    name = failure.kind if failure.kind == Kind.UNREACHABLE else "Failed"
    return Failed(name=name, message=f"{what}: {failure}")


@task(
    task_run_name="{stage}",
    cache_policy=NO_CACHE,
    retries=len(PAUSES),
    retry_delay_seconds=PAUSES,
    retry_condition_fn=may_pass,
)
def build(stage: str, given: Mapping[str, str], leash: Leash) -> State[None]:
    """Bring one stage up to date. The final state's name says what DVC did: Built, Restored or UpToDate."""
    try:
        done = run_stage(stage, given, leash, get_run_logger().info)
    except CommandFailed as failure:
        return failed(stage, failure)
    return Completed(name=done)


@task(
    task_run_name="push {what}",
    cache_policy=NO_CACHE,
    retries=len(PAUSES),
    retry_delay_seconds=PAUSES,
    retry_condition_fn=may_pass,
)
def push(what: str, stages: Sequence[str], leash: Leash) -> State[None]:
    """Push the outputs of stages, and the record of how they were made, to DVC's default remote."""
    try:
        run([*DVC, "push", "--run-cache", *stages], leash, get_run_logger().info)
    except CommandFailed as failure:
        return failed(f"push {what}", failure)
    return Completed()


@contextmanager
def at_work() -> Iterator[None]:
    """The context of every flow that builds.

    In it the flow is alone in the working tree, ends with its worker, and tells its commands the page of its run.
    """
    end_with_worker()
    os.environ.setdefault(FLOW_RUN, redacted(flow_run.ui_url or ""))
    tell = get_run_logger().info
    with alone_in_working_tree(tell):
        end_orphans(tell)
        wait_for_trainings(tell)
        yield


def build_stages(choose: Callable[[Graph], Sequence[str]], pushing: bool, at_once: int | None) -> State[None]:
    """Builds the chosen stages of dvc.yaml with all they need. The state is Failed, and says why, if one was not built
    or pushed.

    At most `at_once` stages run at the same time. If it is None, the environment says how many.
    """
    tell = get_run_logger().info
    if at_once:
        os.environ[STAGES_AT_ONCE] = str(at_once)
    try:
        mend(tell)
        refuse_stale_code()
        graph = read_graph()
        graph = with_all_they_need(graph, choose(graph))
        slots = Slots.here()
        if pushing:
            default_remote()
    except InputError as error:
        return Failed(message=str(error))
    before = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    known = locked_stages()
    tell(str(slots))
    with Leash() as leash, commands_start_at_once(leash, slots):
        states = conduct(graph, slots, leash, set(marked("costly")) if pushing else set(), pushing)
    mend(tell)
    order_new_stages(known)
    show_changes(before)
    return outcome(states)


@contextmanager
def commands_start_at_once(leash: Leash, slots: Slots) -> Iterator[None]:
    """In the block, commands start without slow imports of their own, if stages compute on this machine's cores."""
    if PRELOADED in os.environ or not slots.only_cores_compute:
        yield
        return
    with preloaded(leash, environment()) as variables:
        os.environ |= variables
        try:
            yield
        finally:
            del os.environ[PRELOADED]


def outcome(states: Sequence[State[Any]]) -> State[None]:
    """Completed if every stage and push is; else Failed, with the messages of those that were tried."""
    undone = [state for state in states if not state.is_completed()]
    if not undone:
        return Completed()
    # A stage is pending if one that it needs failed or crashed.
    return Failed(message="\n".join(state.message or state.name or "" for state in undone if not state.is_pending()))


def conduct(graph: Graph, slots: Slots, leash: Leash, costly: set[str], pushing: bool) -> list[State[Any]]:
    """Submits each stage when all that it depends on have ended and there is a slot. Returns all final states.

    The stage with the longest chain of stages behind it starts first, because the whole run waits for that chain.
    If a costly stage built something, no stage starts until it is pushed. The push waits until no stage runs, because
    it reads what stages write. Everything is pushed at the end. Prefect does not run a stage that needs a failed one:
    its state is NotReady.
    """
    runs: dict[str, PrefectFuture[State[None]]] = {}
    ended: SimpleQueue[str] = SimpleQueue()
    pushed: list[State[Any]] = []
    ready: list[str] = []
    built: list[str] = []

    def start(stage: str, given: Mapping[str, str]) -> None:
        needed = [runs[name] for name in graph[stage]]
        ready.remove(stage)
        runs[stage] = build.submit(stage, given, leash, wait_for=needed, return_state=False)
        runs[stage].add_done_callback(lambda _: ended.put(stage))

    behind = lengths_of_chains(graph)
    order = TopologicalSorter(graph)
    order.prepare()
    while order.is_active():
        ready += order.get_ready()
        ready.sort(key=lambda stage: -behind[stage])
        if built and slots.are_free():
            pushed.append(push(", ".join(built), built, leash, return_state=True))
            built = []
        if not built:
            for stage, given in slots.start(ready).items():
                start(stage, given)
        stage = ended.get()
        slots.end(stage)
        order.done(stage)
        keep()
        runs[stage].wait()  # otherwise Prefect asks the server for the state, which learns it later
        if base(stage) in costly and runs[stage].state.name == "Built":
            built.append(stage)
    states = {stage: run.state for stage, run in runs.items()}
    if pushing:
        sound = [stage for stage, state in states.items() if state.is_completed()]
        pushed.append(push("all", sound, leash, return_state=True))
    return [*states.values(), *pushed]


def show_changes(before: str) -> None:
    """Shows what this run changed in dvc.lock, if anything, as an artifact of the flow run."""
    after = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    names = (f"{LOCK} before", f"{LOCK} after")
    if lines := list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, n=2, lineterm="")):
        text = redacted("\n".join(lines))
        create_markdown_artifact(f"```diff\n{text}\n```", key="dvc-lock", description=f"In {Path.cwd()}")
