"""The command line: one command a stage, and what one asks of the result. Each imports what it needs when it runs."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from distilrank import layout
from distilrank.errors import InputError
from distilrank.params import Params, distilled_name, read_params

app = typer.Typer(
    help="Distil slow, strong neural rankers into small, fast ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
STAGES = "Stages, in their order: dvc.yaml runs them"
RESULTS = "Results"
Teacher = Annotated[str, typer.Argument(help="A teacher's name in params.yaml, such as T1.")]
Student = Annotated[str, typer.Argument(help="A student's name in params.yaml, such as dot.")]
Dense = Annotated[str, typer.Argument(help="A trained dense ranker, such as dot-T1.")]


def main() -> None:
    """Runs a command: exit code 2 and one line for a user's mistake."""
    try:
        app()
    except InputError as error:
        print(f"distilrank: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def check() -> None:
    """Check params.yaml, without running anything."""
    read_params()


def _stage(name: str, summary: str) -> None:
    """A stage that takes nothing but the params: distilrank.stages.<name> has a function of that name."""

    @app.command(name, help=summary, rich_help_panel=STAGES)
    def run() -> None:
        getattr(import_module(f"distilrank.stages.{name}"), name)(read_params())


_stage("collect", "Read the collection into tables of passages, queries and qrels.")
_stage("tokenize", "Store the token ids of every query and passage.")
_stage("candidates", "Find BM25's best passages for every query.")
_stage("triples", "Sample training triples.")


@app.command(rich_help_panel=STAGES)
def teach(teacher: Teacher) -> None:
    """Train a teacher on labels."""
    from distilrank.stages.teach import teach as stage
    from distilrank.tracking import training_run

    stage(read_params(), teacher, training_run)


@app.command(rich_help_panel=STAGES)
def score(teacher: Teacher) -> None:
    """Score every pair of the triples with a teacher."""
    from distilrank.stages.score import score as stage

    stage(read_params(), teacher)


@app.command(rich_help_panel=STAGES)
def distil(
    student: Student,
    teacher: Annotated[str | None, typer.Option(help="Who teaches it; without one, it is its own control.")] = None,
) -> None:
    """Train a student."""
    from distilrank.stages.distil import distil as stage
    from distilrank.tracking import training_run

    stage(read_params(), student, teacher, training_run)


@app.command(rich_help_panel=STAGES)
def index(model: Dense) -> None:
    """Encode all passages with a dense ranker, for nearest-neighbour search."""
    from distilrank.stages.index import index as stage

    stage(model)


@app.command(rich_help_panel=STAGES)
def evaluate() -> None:
    """Measure every ranker on the test queries."""
    from distilrank.stages.evaluate import evaluate as stage
    from distilrank.tracking import log_test_metrics

    params = read_params()
    metrics = stage(params)
    log_test_metrics({name: layout.MODELS / name for name in params.model_names()}, metrics)


_stage("latency", "Time every ranker, query by query.")
_stage("report", "Write the report.")


@app.command(rich_help_panel=RESULTS)
def results() -> None:
    """Show the figures of the last evaluation, and where the report is."""
    from distilrank.console import show_results

    show_results()


@app.command(rich_help_panel=RESULTS)
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    model: Annotated[str | None, typer.Option(help="A dense ranker; else the first student, as taught.")] = None,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages to show.")] = 5,
) -> None:
    """Answer a query from a distilled student's index."""
    from distilrank.console import show_hits
    from distilrank.retrieval.search import search as find

    name = model or _taught_student(read_params())
    indexed = sorted(path.name for path in layout.INDEXES.glob("*"))
    if indexed and name not in indexed:
        raise InputError("search", got=f"ranker '{name}'", expected=f"one of {indexed}", remedy="name one of these")
    if not query.strip():
        raise InputError("search", got="an empty query", expected="words to look for", remedy="say what to look for")
    show_hits(query, name, find(query, layout.MODELS / name, layout.INDEXES / name, layout.COLLECTION, depth))


def _taught_student(params: Params) -> str:
    return distilled_name(next(iter(params.students)), next(iter(params.teachers)))
