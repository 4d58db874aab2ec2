"""The command line: one command a stage, and what one asks of the result. Each imports what it needs when it runs."""

import gc
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilrank.artifacts import layout
from distilrank.errors import InputError
from distilrank.redaction import redacted

if TYPE_CHECKING:
    from distilrank.config.params import Params

app = typer.Typer(
    help="Distil slow, strong neural rankers into small, fast ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
STAGES = "Stages, in their order: dvc.yaml runs them"
RESULTS = "Results"
REGISTRY = "The registry: MLFLOW_TRACKING_URI, else mlflow.db here"
CHECKPOINTS = "From elsewhere, and to elsewhere"
Teacher = Annotated[str, typer.Argument(help="A teacher's name in params.yaml, such as T1.")]
Student = Annotated[str, typer.Argument(help="A student's name in params.yaml, such as dot.")]
Target = Annotated[Path, typer.Argument(help="The directory to write; it must not exist.")]
Model = Annotated[str, typer.Argument(help="A trained teacher or student, such as dot-T1.")]
Dense = Annotated[str, typer.Argument(help="A trained dense ranker, such as dot-T1.")]


def main() -> None:
    """Runs a command: one line, and exit code 2 for a user's mistake, 75 where a server does not answer."""
    # To look for garbage as often as Python does takes a quarter of the time that importing torch and MLflow takes.
    gc.set_threshold(200_000)
    try:
        app()
    except InputError as error:
        print(f"distilrank: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception:  # a fault of ours, or of a library that names the URL it was given
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(1)


def _say(line: str) -> None:
    print(f"distilrank: {line}", file=sys.stderr)


@app.command()
def init(
    preset: Annotated[
        str | None, typer.Option(help="A file of presets/, without .yaml, such as paper; else the defaults.")
    ] = None,
) -> None:
    """Write params.yaml: the defaults, or those with what a preset changes; params of your own are not overwritten."""
    from distilrank.config.presets import DEFAULT, use_preset

    use_preset(preset or DEFAULT)


@app.command("params")
def params_reference(
    section: Annotated[
        str | None, typer.Argument(help="One section, such as students; all where none is named.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/params.md.")] = False,
) -> None:
    """Explain every key of params.yaml: what it takes, its default, its meaning."""
    from distilrank.cli.params_reference import as_markdown, as_text
    from distilrank.config.reference import reference

    typer.echo((as_markdown if markdown else as_text)(reference(section)), nl=False)


@app.command()
def check() -> None:
    """Check params.yaml, and what it names: files, backbones, queries of every kind; mend what a kill left of dvc.lock.

    Nothing is built.
    """
    from distilrank.artifacts.code_file import refuse_stale_code
    from distilrank.artifacts.dvc_files import mend
    from distilrank.check import check as check_all
    from distilrank.config.named_by_dvc import refuse_absent_keys

    mend(typer.echo)
    refuse_stale_code()
    refuse_absent_keys()
    check_all(_params())


def _params() -> "Params":
    from distilrank.config.params_file import read_params

    return read_params()


def _params_for(stage: str) -> "Params":
    """The params, where the stage's code is that of code.yaml, by which DVC knows what its result was made by."""
    from distilrank.artifacts.code_file import refuse_stale_code

    refuse_stale_code(stage)
    return _params()


def _checked_params_for(stage: str) -> "Params":
    """The same for what may take hours, once all that would fail after them is refused."""
    from distilrank.check import check as check_all
    from distilrank.config.named_by_dvc import refuse_absent_keys

    params = _params_for(stage)
    refuse_absent_keys()
    check_all(params)
    return params


def _stage(name: str, summary: str) -> None:
    """A stage that takes nothing but the params: distilrank.stages.<name> has a function of that name."""

    @app.command(name, help=summary, rich_help_panel=STAGES)
    def run() -> None:
        getattr(import_module(f"distilrank.stages.{name}"), name)(_params_for(name))


@app.command(rich_help_panel=STAGES)
def collect() -> None:
    """Read the collection into tables of passages, queries and qrels, and check it."""
    from distilrank.cli.collection_table import show_collection
    from distilrank.stages.collect import collect as stage

    stage(_params_for("collect"))
    show_collection()


_stage("tokenize", "Store the token ids of every query and passage.")
_stage("candidates", "Find the passages to re-rank for every query: BM25's best, or those given.")
_stage("triples", "Draw training triples, or take in those given.")


@app.command(rich_help_panel=STAGES)
def teach(teacher: Teacher) -> None:
    """Train a teacher on labels."""
    from distilrank.stages.teach import teach as stage
    from distilrank.tracking import stage_run

    stage(_checked_params_for("teach"), teacher, stage_run)


@app.command(rich_help_panel=STAGES)
def score(teacher: Teacher) -> None:
    """Score every pair of the triples with a teacher; what it has ever scored is not scored again."""
    from distilrank.stages.score import score as stage
    from distilrank.tracking import stage_run

    stage(_params_for("score"), teacher, stage_run)


@app.command("import-scores", rich_help_panel=STAGES)
def import_scores(name: Annotated[str, typer.Argument(help="An import's name in params.yaml.")]) -> None:
    """Take in scores that others published, in place of a teacher."""
    from distilrank.stages.import_scores import import_scores as stage

    counts = stage(_params_for("import_scores"), name)
    told = ", ".join(f"{number:,} {what}" for what, number in counts.items())
    typer.echo(f"{layout.LABELS / name}: lines {told}")


@app.command(rich_help_panel=STAGES)
def ensemble(name: Annotated[str, typer.Argument(help="An ensemble's name in params.yaml, such as T2.")]) -> None:
    """Join the scores of several teachers into one's."""
    from distilrank.stages.ensemble import ensemble as stage

    stage(_params_for("ensemble"), name)


@app.command(rich_help_panel=STAGES)
def distil(
    student: Student,
    teacher: Annotated[str | None, typer.Option(help="Who teaches it; without one, it is its own control.")] = None,
    control: Annotated[bool, typer.Option("--control", help="As the teacher's students, but without scores.")] = False,
    seed: Annotated[int | None, typer.Option(help="One of matrix.seeds; without one, its own.")] = None,
) -> None:
    """Train a student, or its control."""
    from distilrank.stages.distil import distil as stage
    from distilrank.tracking import stage_run

    stage(_checked_params_for("distil"), student, teacher, stage_run, control, seed)


@app.command(rich_help_panel=STAGES)
def index(model: Dense) -> None:
    """Encode all passages with a dense ranker, for nearest-neighbour search."""
    from distilrank.stages.index import index as stage

    stage(_params_for("index"), model)


@app.command(rich_help_panel=STAGES)
def evaluate() -> None:
    """Measure every ranker on the test queries."""
    from distilrank.cli.tables import show_shortfalls
    from distilrank.config.derived import model_names, seeded_names
    from distilrank.results.seeds import over_seeds
    from distilrank.stages.evaluate import evaluate as stage
    from distilrank.tracking import log_test_metrics

    params = _params_for("evaluate")
    metrics = stage(params)
    show_shortfalls(params, over_seeds(metrics)[0])
    trained = [*model_names(params), *seeded_names(params)]
    log_test_metrics({name: layout.MODELS / name for name in trained}, metrics)


_stage("quality", "Look at the labels: inverted margins, and how far teachers agree.")
_stage("latency", "Time every ranker, query by query.")
_stage("report", "Write the report.")


@app.command(rich_help_panel=RESULTS)
def collection() -> None:
    """Show what the collection holds, how long its texts are, and what was found wrong with it."""
    from distilrank.cli.collection_table import show_collection

    show_collection()


@app.command(rich_help_panel=RESULTS)
def results() -> None:
    """Show the figures of the last evaluation, and where the report is."""
    from distilrank.cli.tables import show_results

    show_results(_params())


@app.command(rich_help_panel=RESULTS)
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    model: Annotated[str | None, typer.Option(help="A dense ranker; else the first indexed, as taught.")] = None,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages to show.")] = 5,
) -> None:
    """Answer a query from a distilled student's index."""
    from distilrank.config.derived import index_names

    indexed = index_names(_params())
    name = model or indexed[1]  # after its control, the first indexed student as first taught
    if name not in indexed:
        raise InputError("search", got=f"ranker '{name}'", expected=f"one of {indexed}", remedy="name one of these")
    if not query.strip():
        raise InputError("search", got="an empty query", expected="words to look for", remedy="say what to look for")
    from distilrank.cli.tables import show_hits
    from distilrank.model import Model
    from distilrank.results.search import search as find

    loaded = Model.load(layout.MODELS / name, layout.INDEXES / name)
    show_hits(query, name, find(query, loaded, layout.COLLECTION, depth))


@app.command(rich_help_panel=CHECKPOINTS)
def retrieve(
    model: Dense,
    target: Annotated[Path, typer.Argument(help="The TREC run to write; it must not exist.")],
    split: Annotated[str, typer.Option(help="Whose queries: train, dev, unlabelled, or a test set.")],
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages a query.")] = 100,
) -> None:
    """Write what an index finds for all queries of a split, to be given as candidates."""
    from distilrank.data.collection import Collection
    from distilrank.model import Model
    from distilrank.results.search import write_run

    apart = _params().collection.exclude_identical_ids
    queries = Collection.read(layout.COLLECTION).queries_of(split)
    loaded = Model.load(layout.MODELS / model, layout.INDEXES / model)
    lines = write_run(loaded, model, layout.TOKENS, queries, target, depth, apart)
    typer.echo(f"{target}: {lines:,} lines for {len(queries):,} queries")


@app.command(rich_help_panel=REGISTRY)
def register() -> None:
    """Register every teacher and student that DVC has built, each once."""
    from distilrank.artifacts.working_tree import with_whoever_started_this
    from distilrank.registry.register import register as enter

    with with_whoever_started_this(_say):
        for one in enter(_params()):
            typer.echo(f"{one.name} {one.version} {one.state} {one.run}")


@app.command(rich_help_panel=REGISTRY)
def promote(
    model: Model,
    version: Annotated[int | None, typer.Option(help="The version to promote, if not the challenger.")] = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Why to take one that was rolled back; it is recorded.")
    ] = None,
) -> None:
    """Make a challenger champion if it passes the gates of params.yaml; exit code 1 if it does not."""
    from distilrank.artifacts.working_tree import with_whoever_started_this
    from distilrank.cli.tables import show_decision
    from distilrank.registry.promotion import promote as decide

    with with_whoever_started_this(_say):
        decision = decide(_params(), model, version, force)
    show_decision(decision)
    if not decision.promoted:
        raise typer.Exit(1)


@app.command(rich_help_panel=REGISTRY)
def rollback(
    model: Model,
    to: Annotated[int | None, typer.Option(help="A former champion's version, if not the one before.")] = None,
) -> None:
    """Make the previous champion champion again, if it loads; exit code 1 if it does not."""
    from distilrank.cli.tables import show_rollback
    from distilrank.registry.rollback import rollback as give_back

    done = give_back(_params(), model, to)
    show_rollback(done)
    if done.refused_by:
        raise typer.Exit(1)


@app.command("import-model", rich_help_panel=CHECKPOINTS)
def import_model(
    source: Annotated[Path, typer.Argument(help="A folder with config.json, weights and tokenizer.")],
    target: Target,
    architecture: Annotated[str, typer.Option(help="What it is: dot, colbert, cat or prettr.")],
    query_length: Annotated[
        int, typer.Option(min=1, max=512, help="Tokens of a query, special ones not counted.")
    ] = 28,
    passage_length: Annotated[int, typer.Option(min=1, max=8192, help="Tokens of a passage, likewise.")] = 198,
) -> None:
    """Make a ranker of a checkpoint that the authors of arXiv 2010.02666 published."""
    from distilrank.conversion.published import import_model as convert

    convert(source, target, architecture, query_length, passage_length)


@app.command("export-model", rich_help_panel=CHECKPOINTS)
def export_model(
    model: Annotated[Path, typer.Argument(help="A trained ranker's directory, such as models/dot-T1.")], target: Target
) -> None:
    """Write a dot, colbert or cat ranker for sentence-transformers."""
    from distilrank.conversion.export import export_model as convert

    convert(model, target)


@app.command("export-scores", rich_help_panel=CHECKPOINTS)
def export_scores(
    teacher: Annotated[str, typer.Argument(help="A teacher, ensemble or import of params.yaml, such as T1.")],
    target: Target,
    licence: Annotated[str, typer.Option(help="Of the scores, as an identifier, such as cc-by-4.0.")] = "unknown",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress the text.")] = False,
) -> None:
    """Write a teacher's scores as a package for others: text and Parquet, with a data card and checksums."""
    from distilrank.labels.package import export_scores as export

    _params().members(teacher)
    export(layout.LABELS / teacher, target, licence, gzip)
