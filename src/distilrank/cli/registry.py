"""Commands that work on the registry."""

import os
import sys
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from distilrank.cli.app import REGISTRY, Model, app, read
from distilrank.cli.next_step import next_step

if TYPE_CHECKING:
    from distilrank.config.params import Params


def say(line: str) -> None:
    print(f"distilrank: {line}", file=sys.stderr)


@app.command(rich_help_panel=REGISTRY)
def register() -> None:
    """Register every teacher and student that DVC has built, each once."""
    from distilrank.artifacts.working_tree import with_whoever_started_this
    from distilrank.registry.register import register as enter

    with with_whoever_started_this(say):
        params = read()
        entered = enter(params)
    for one in entered:
        typer.echo(f"{one.name} {one.version} {one.state} {one.run}")
    if entered:
        next_step(f"`distilrank promote {_shipped(params)}` makes it champion if it passes the gates")


@app.command(rich_help_panel=REGISTRY)
def promote(
    model: Model,
    version: Annotated[int | None, typer.Option(help="The version to promote. Default: the challenger.")] = None,
    force: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Why to take a version that was rolled back, or a champion that cannot be measured."
        ),
    ] = None,
) -> None:
    """Make a challenger champion if it passes the gates of params.yaml; if not, exit with code 1."""
    from distilrank.artifacts.working_tree import with_whoever_started_this
    from distilrank.cli.tables import show_decision
    from distilrank.registry.promotion import promote as decide

    with with_whoever_started_this(say):
        decision = decide(read(), model, version, force)
    show_decision(decision)
    if not decision.promoted:
        raise typer.Exit(1)
    _serve(decision.name)


@app.command(rich_help_panel=REGISTRY)
def rollback(
    model: Model,
    to: Annotated[int | None, typer.Option(help="The former champion's version. Default: the one before.")] = None,
) -> None:
    """Make the previous champion champion again if it loads; if not, exit with code 1."""
    from distilrank.cli.tables import show_rollback
    from distilrank.registry.rollback import rollback as give_back

    done = give_back(read(), model, to)
    show_rollback(done)
    if done.refused_by:
        raise typer.Exit(1)
    _serve(done.name)


def _shipped(params: "Params") -> str:
    """The model to promote first: the first taught student that searches, else the last model."""
    from distilrank.config.derived import model_names, taught_to_search

    return next(iter(taught_to_search(params)), model_names(params)[-1])


def _serve(name: str) -> None:
    from distilrank.mlflow_client import tracking_uri

    here = () if os.environ.get("MLFLOW_TRACKING_URI") else (f"export MLFLOW_TRACKING_URI={quote(tracking_uri())}",)
    serve = f"mlflow models serve -m models:/{name}@champion --env-manager local --port 5002"
    next_step("serve it; restart a server that runs already", *here, serve)
