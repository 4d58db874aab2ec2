"""The command line: one command a stage, and what one asks of the result. Each imports what it needs when it runs."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from distilrank.errors import InputError
from distilrank.params import Params, read_params

app = typer.Typer(
    help="Distil slow, strong neural rankers into small, fast ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
stages = "Stages, in order (dvc.yaml runs them)"
results = "Results"
Name = Annotated[str, typer.Argument(help="Its name in params.yaml.")]


def main() -> None:
    """Runs a command: exit code 2 and one line for a user's mistake, 130 for Ctrl-C."""
    try:
        app()
    except InputError as error:
        print(f"distilrank: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("distilrank: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


@app.command(rich_help_panel=stages)
def collect() -> None:
    """Read the collection into tables of passages, queries and qrels."""
    from distilrank.stages.collect import collect as stage

    stage(read_params())


@app.command(rich_help_panel=stages)
def tokenize() -> None:
    """Store the token ids of every query and passage."""
    from distilrank.stages.tokenize import tokenize as stage

    stage(read_params())


@app.command(rich_help_panel=stages)
def candidates() -> None:
    """Find BM25's best passages for every query."""
    from distilrank.stages.candidates import candidates as stage

    stage(read_params())


@app.command(rich_help_panel=stages)
def triples() -> None:
    """Sample training triples."""
    from distilrank.stages.triples import triples as stage

    stage(read_params())


@app.command(rich_help_panel=stages)
def teach(teacher: Name) -> None:
    """Train a teacher on labels."""
    from distilrank.stages.teach import teach as stage

    _tracked(teacher, lambda params, observe: stage(params, teacher, observe))


@app.command(rich_help_panel=stages)
def score(teacher: Name) -> None:
    """Score every pair of the triples with a teacher."""
    from distilrank.stages.score import score as stage

    stage(read_params(), teacher)


@app.command(rich_help_panel=stages)
def distil(
    student: Name,
    teacher: Annotated[str | None, typer.Option(help="Who teaches it; without one, it is its own control.")] = None,
) -> None:
    """Train a student."""
    from distilrank.stages.distil import distil as stage

    name = f"{student}-{teacher}" if teacher else student
    _tracked(name, lambda params, observe: stage(params, student, teacher, observe))


@app.command(rich_help_panel=stages)
def index(model: Annotated[str, typer.Argument(help="A trained dense ranker, such as dot-T1.")]) -> None:
    """Index the passages with a dense ranker."""
    from distilrank.stages.index import index as stage

    stage(read_params(), model)


@app.command(rich_help_panel=stages)
def evaluate() -> None:
    """Measure every ranker on the test queries."""
    from distilrank.stages.evaluate import evaluate as stage

    stage(read_params())


@app.command(rich_help_panel=stages)
def latency() -> None:
    """Time every ranker, query by query."""
    from distilrank.stages.latency import latency as stage

    stage(read_params())


def _tracked(name: str, train: Callable[[Params, Any], None]) -> None:
    train(read_params(), lambda step, figures: print(step, dict(figures), flush=True))
