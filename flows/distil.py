"""The whole pipeline as a Prefect flow: each stage of dvc.yaml is a task, then the models go into MLflow's registry.

`python -m flows.distil`, from the directory that holds dvc.yaml, runs on the server at PREFECT_API_URL, or without
one on Prefect's ephemeral server. The exit code is 0 if all is built, and 1 if a stage failed. It is 2 if DVC cannot
read the pipeline, if code.yaml is out of date, or if the environment's settings of slots are not valid.
"""

import json
import os
import signal
import sys

from prefect import State, flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from pydantic import PositiveInt

from distilrank.artifacts.code_file import refuse_stale_code
from distilrank.artifacts.dvc_files import mend
from distilrank.artifacts.layout import METRICS, MODELS, REPORT
from distilrank.errors import InputError
from distilrank.workers.leash import Leash
from flows.building import FLOW_RUN, PAUSES, at_work, build_stages, failed, may_pass
from flows.command import run
from flows.failure import CommandFailed
from flows.graph import read_graph
from flows.results import registered_page, results_page
from flows.server import start_server
from flows.slots import Slots
from flows.webhook import tell_of_failure


@task(cache_policy=NO_CACHE, retries=len(PAUSES), retry_delay_seconds=PAUSES, retry_condition_fn=may_pass)
def enter_models() -> State[None]:
    """Register the trained models in MLflow, and show where to see them."""
    try:
        with Leash() as leash:
            said = run(["distilrank", "register"], leash, get_run_logger().info)
    except CommandFailed as failure:
        return failed("register", failure)
    create_markdown_artifact(registered_page(said), key="models", description="Versions in MLflow's registry")
    return Completed()


@flow(on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def distil(push: bool = False, register_models: bool = True, stages_at_once: PositiveInt | None = None) -> State[None]:
    """Build every stage of dvc.yaml: teachers, their scores, students, indexes, the evaluation and the report.

    Args:
        push: Push what a costly stage built to DVC's default remote at once, and everything at the end.
        register_models: Enter teachers and students into MLflow's registry, as challengers.
        stages_at_once: At most so many stages at once. By cores and cards unless given.
    """
    with at_work():
        state = build_stages(list, push, stages_at_once)
        if not state.is_completed():
            return state
        publish_results()
        # Inside the lock, because another run would replace the models.
        if register_models and MODELS.exists():
            entered = enter_models(return_state=True)
            return state if entered.is_completed() else Failed(message=entered.message)
        return state


def publish_results() -> None:
    """Shows the results and the report, if there are any, as artifacts of the flow run."""
    if METRICS.exists():
        create_markdown_artifact(results_page(json.loads(METRICS.read_text(encoding="utf-8"))), key="results")
    if REPORT.exists():
        create_link_artifact(REPORT.absolute().as_uri(), "the report, on the machine that ran this", key="report")


def main() -> int:
    """Runs the flow here and returns the exit code."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        mend(print)
        # Check before a server starts, so that a mistake shows at once.
        refuse_stale_code()
        read_graph()
        Slots.here()
        if not (server := PREFECT_API_URL.value()):
            os.environ[FLOW_RUN] = ""  # the server ends with this process, so its pages are of no use
            server = start_server()
        os.environ["PREFECT_API_URL"] = server
        with temporary_settings({PREFECT_API_URL: server}):
            state = distil(return_state=True)
    except InputError as error:
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
