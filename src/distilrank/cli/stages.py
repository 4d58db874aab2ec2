"""One command per stage. Trainings and scorings get the tracker."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from distilrank.artifacts import layout
from distilrank.cli.app import STAGES, Dense, Evaluation, app, read, read_checked_for, read_for
from distilrank.cli.elsewhere import on_ray_where_told
from distilrank.cli.launch import launch
from distilrank.cli.next_step import next_step
from distilrank.config.names import IMPORTED
from distilrank.errors import InputError

Teacher = Annotated[str, typer.Argument(help="A teacher's name in params.yaml, such as T1.")]
Triples = Annotated[str, typer.Argument(help="A set of triples in params.yaml, such as bm25.")]
Mined = Annotated[str, typer.Argument(help="A set of triples in params.yaml that is mined.")]
Student = Annotated[str, typer.Argument(help="A student's name in params.yaml, such as dot.")]


def _stage(name: str, summary: str) -> None:
    """Adds the command of a stage that takes only the params: the function of its name in distilrank.stages.<name>."""

    @app.command(name, help=summary, rich_help_panel=STAGES)
    def run() -> None:
        getattr(import_module(f"distilrank.stages.{name}"), name)(read_for(name))


@app.command(rich_help_panel=STAGES)
def collect(evaluation: Evaluation = layout.OWN) -> None:
    """Read a collection into tables of passages, queries and qrels, and check it."""
    from distilrank.cli.collection_table import show_collection
    from distilrank.stages.collect import collect as stage

    stage(read_for("collect"), evaluation)
    show_collection(evaluation)
    if evaluation == layout.OWN and not layout.TOKENS.exists():
        next_step("after `dvc repro tokenize`, `distilrank collection` also shows how long the texts are")


@app.command(rich_help_panel=STAGES)
def tokenize(
    entry: Annotated[
        str | None, typer.Argument(help="An entry of params.yaml whose tokens are its own. Default: the usual tokens.")
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="An entry of evaluations. Default: the collection that models learn from.")
    ] = None,
) -> None:
    """Store the token ids of every query and passage."""
    from distilrank.stages.tokenize import tokenize as stage
    from distilrank.stages.tokenize import tokenize_other

    params = read_for("tokenize")
    if on:
        tokenize_other(params, on, entry)
    else:
        stage(params, entry)


@app.command(rich_help_panel=STAGES)
def candidates(evaluation: Evaluation = layout.OWN) -> None:
    """Find the passages to re-rank for every query: BM25's best, or those that were given."""
    from distilrank.stages.candidates import candidates as stage

    stage(read_for("candidates"), evaluation)


@app.command(rich_help_panel=STAGES)
def triples(name: Triples) -> None:
    """Draw a set of training triples, or import given ones."""
    from distilrank.stages.triples import triples as stage

    stage(read_for("triples"), name)


@app.command(rich_help_panel=STAGES)
def find(triples: Mined, source: Annotated[str, typer.Argument(help="bm25, a model's name, or run-1.")]) -> None:
    """Find passages for the training queries, to be negatives in mined triples."""
    from distilrank.stages.find import find as stage

    stage(read_for("find"), triples, source)


@app.command(rich_help_panel=STAGES)
def mine(name: Mined) -> None:
    """Mine a set of training triples from the passages that its sources found."""
    from distilrank.stages.mine import mine as stage
    from distilrank.tracking import stage_run

    stage(read_for("mine"), name, stage_run)


@app.command(rich_help_panel=STAGES)
@on_ray_where_told
def teach(teacher: Teacher) -> None:
    """Train a teacher on labels."""
    launch()
    from distilrank.stages.teach import teach as stage
    from distilrank.tracking import stage_run

    params = read_checked_for("teach")
    stage(params, teacher, partial(stage_run, collection=params.collection.called))


@app.command("import-model", rich_help_panel=STAGES)
def import_model(
    name: Annotated[str, typer.Argument(help="A teacher or baseline with a checkpoint in params.yaml.")],
) -> None:
    """Import the checkpoint of a teacher or baseline that was trained elsewhere."""
    from distilrank.stages.import_model import import_model as stage

    stage(read_for("import_model"), name)


@app.command(rich_help_panel=STAGES)
def score(teacher: Teacher, triples: Triples) -> None:
    """Score every pair of a set of triples with a teacher; pairs that it scored before are not scored again."""
    from distilrank.stages.score import score as stage
    from distilrank.tracking import stage_run

    stage(read_for("score"), teacher, triples, stage_run)


@app.command("score-bm25", rich_help_panel=STAGES)
def score_bm25(triples: Triples) -> None:
    """Score every pair of a set of triples with BM25."""
    from distilrank.stages.score_bm25 import score_bm25 as stage

    stage(read_for("score_bm25"), triples)


@app.command("score-dev", rich_help_panel=STAGES)
def score_dev(
    member: Annotated[str, typer.Argument(help="A member of an ensemble whose weights are tuned, such as T1.")],
) -> None:
    """Score candidates of dev queries, to tune the weights of ensembles."""
    from distilrank.stages.score_dev import score_dev as stage
    from distilrank.tracking import stage_run

    stage(read_for("score_dev"), member, stage_run)


@app.command("import-scores", rich_help_panel=STAGES)
def import_scores(name: Annotated[str, typer.Argument(help="An import's name in params.yaml.")]) -> None:
    """Import scores that somebody else computed, in place of a teacher."""
    from distilrank.stages.import_scores import import_scores as stage

    counts = stage(read_for("import_scores"), name)
    told = ", ".join(f"{number:,} {what}" for what, number in counts.items())
    typer.echo(f"{layout.LABELS / IMPORTED / name}: {told}")


@app.command(rich_help_panel=STAGES)
def ensemble(
    name: Annotated[str, typer.Argument(help="An ensemble's name in params.yaml, such as T2.")], triples: Triples
) -> None:
    """Combine several teachers' scores of a set of triples into one score per pair."""
    from distilrank.stages.ensemble import ensemble as stage

    stage(read_for("ensemble"), name, triples)


@app.command(rich_help_panel=STAGES)
@on_ray_where_told
def distil(
    student: Student,
    teacher: Annotated[
        str | None, typer.Option(help="The teacher that it learns from. Default: none, which trains the control.")
    ] = None,
    control: Annotated[
        bool,
        typer.Option(
            "--control", help="Train the control of this teacher's student: the same start and triples, without scores."
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="One of matrix.seeds. Default: the seed of its own training.")
    ] = None,
) -> None:
    """Train a student, or its control."""
    launch()
    from distilrank.stages.distil import distil as stage
    from distilrank.tracking import stage_run

    params = read_checked_for("distil")
    stage(params, student, teacher, partial(stage_run, collection=params.collection.called), control, seed)


@app.command(rich_help_panel=STAGES)
def encode(model: Dense) -> None:
    """Encode all passages with a dense ranker, in parts that workers share."""
    from distilrank.stages.encode import encode as stage

    stage(read_for("encode"), model)


@app.command(rich_help_panel=STAGES)
def index(name: Annotated[str, typer.Argument(help="An index by its name, such as dot-hnsw-T1.")]) -> None:
    """Build an approximate index of a model's vectors, for nearest-neighbour search."""
    from distilrank.stages.index import index as stage

    stage(read_for("index"), name)


@app.command(rich_help_panel=STAGES)
def evaluate(
    ranker: Annotated[str | None, typer.Argument(help="A ranker of the results, such as dot-T1 or bm25.")] = None,
    on: Evaluation = layout.OWN,
    model: Annotated[str | None, typer.Option(help="In place of RANKER: a model's directory, or a checkpoint.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="With --model: an entry of evaluations, or a folder in BEIR's layout.")
    ] = None,
    target: Annotated[Path | None, typer.Option(help="With --model: the directory to write its runs to.")] = None,
) -> None:
    """Measure a ranker on a collection; with --model, any model, outside the pipeline."""
    if bool(model) == bool(ranker) or (ranker and (collection or target)):
        got = "both" if model and ranker else "--collection or --target without --model" if ranker else "neither"
        expected = "a ranker of the results, or --model, with --collection and --target if wanted"
        raise InputError("evaluate", got=got, expected=expected, remedy="name what is measured")
    if model:
        from distilrank.cli.tables import show_figures
        from distilrank.measured_model import measure_model

        show_figures(measure_model(model, collection or layout.OWN, target))
        return
    from distilrank.stages.evaluate import evaluate as stage

    stage(read_for("evaluate"), ranker or "", on)


_stage("systems", "Fuse and cascade rankers, and measure what they find together.")


@app.command(rich_help_panel=STAGES)
def metrics() -> None:
    """Gather the figures of all rankers."""
    from distilrank.cli.tables import show_shortfalls
    from distilrank.config.derived import seeded_names, trained_names
    from distilrank.results.seeds import over_seeds
    from distilrank.stages.metrics import metrics as stage
    from distilrank.tracking import log_test_metrics

    params = read_for("metrics")
    means = stage(params)
    show_shortfalls(params, over_seeds(means)[0])
    trained = [*trained_names(params), *seeded_names(params)]
    log_test_metrics({name: layout.MODELS / name for name in trained}, means)


_stage("quality", "Look at the labels: inverted margins, and how far teachers agree.")
_stage("latency", "Time every ranker, query by query.")
_stage("audit", "Compare approximate indexes with exact search: recall, effectiveness, times and size.")


@app.command(rich_help_panel=STAGES)
def report(
    latex: Annotated[
        bool, typer.Option("--latex", help="Print the results as tables of LaTeX; write nothing.")
    ] = False,
) -> None:
    """Write the report, its summary and its figures, and log them in MLflow."""
    if latex:
        from distilrank.results.report import ReportInputs
        from distilrank.results.report.latex import latex_tables

        typer.echo(latex_tables(ReportInputs.read(read())))
        return
    from distilrank.stages.report import report as stage
    from distilrank.tracking import log_report

    params = read_for("report")
    stage(params)
    log_report(params.collections_named())
    next_step("`distilrank results` shows the tables; `distilrank register` enters the models into the registry")
