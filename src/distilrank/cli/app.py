"""The application, its panels, and how commands read params.yaml. A command imports what it needs when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from distilrank.config.params import Params


app = typer.Typer(
    help="Distil slow, strong neural rankers into small, fast ones.",
    pretty_exceptions_enable=False,
)
STAGES = "Stages, in their order: dvc.yaml runs them"
RESULTS = "Results"
REGISTRY = "The registry: MLFLOW_TRACKING_URI, else mlflow.db here"
CHECKPOINTS = "From elsewhere, and to elsewhere"
Model = Annotated[str, typer.Argument(help="A trained teacher or student, such as dot-T1.")]
Dense = Annotated[str, typer.Argument(help="A trained dense ranker, such as dot-T1.")]
Evaluation = Annotated[
    str, typer.Argument(help="An entry of evaluations. Default: the collection that models learn from.")
]
Target = Annotated[Path, typer.Argument(help="The directory to write; it must not exist.")]


def read() -> "Params":
    """The params. Raises ParamsError."""
    from distilrank.config.params_file import read_params

    return read_params()


def read_for(stage: str) -> "Params":
    """The params. Refuses to go on if code.yaml or graph.yaml is out of date, because DVC builds by these files."""
    from distilrank.artifacts.code_file import refuse_stale_code
    from distilrank.config.graph import refuse_stale_graph

    refuse_stale_code(stage)
    params = read()
    refuse_stale_graph(params)
    return params


def read_checked_for(stage: str) -> "Params":
    """The params for a stage that may take hours; first refuses whatever would make it fail late."""
    from distilrank.check import check as check_all
    from distilrank.config.named_by_dvc import refuse_absent_keys

    params = read_for(stage)
    refuse_absent_keys()
    check_all(params)
    return params
