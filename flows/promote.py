"""The promotion of a challenger to champion as a Prefect flow."""

from collections.abc import Sequence

from prefect import State, flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed, Failed

from distilrank.workers.leash import Leash
from flows.command import run
from flows.failure import CommandFailed, Kind
from flows.webhook import tell_of_failure
from flows.worker import end_with_worker


@flow(on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def promote(model: str) -> State[None]:
    """Make a model's challenger champion in MLflow's registry, if it passes the gates of params.yaml.

    Args:
        model: A trained teacher or student, such as dot-T1.
    """
    end_with_worker()
    try:
        with Leash() as leash:
            said = run(["distilrank", "promote", model], leash, get_run_logger().info)
    except CommandFailed as failure:
        if failure.kind != Kind.FAULT:
            return Failed(message=str(failure))
        show(failure.last)  # the table of the gates, if one refused
        return Failed(message=failure.last[-1] if failure.last else str(failure))
    show(said)
    return Completed()


def show(decision: Sequence[str]) -> None:
    """Shows the gates as an artifact of the flow run."""
    text = "\n".join(decision)
    create_markdown_artifact(f"```\n{text}\n```", key="promotion")
