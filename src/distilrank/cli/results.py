"""Commands that show what was built, and ask it."""

from pathlib import Path
from typing import Annotated

import typer

from distilrank.artifacts import layout
from distilrank.cli.app import CHECKPOINTS, RESULTS, Dense, Evaluation, app, read
from distilrank.errors import InputError


@app.command(rich_help_panel=RESULTS)
def collection(evaluation: Evaluation = layout.OWN) -> None:
    """Show what a collection holds, how long its texts are, and what was found wrong with it."""
    from distilrank.cli.collection_table import show_collection

    show_collection(evaluation)


@app.command(rich_help_panel=RESULTS)
def results() -> None:
    """Show the figures of the last evaluation, and where the report is."""
    from distilrank.cli.tables import show_results

    show_results(read())


@app.command(rich_help_panel=RESULTS)
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    model: Annotated[str | None, typer.Option(help="A dense ranker; else the first indexed, as taught.")] = None,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages to show.")] = 5,
) -> None:
    """Answer a query from a distilled student's index."""
    from distilrank.config.derived import index_names

    indexed = index_names(read())
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
    from distilrank.config.derived import tokens_of
    from distilrank.data.collection import Collection
    from distilrank.model import Model
    from distilrank.results.search import write_run

    params = read()
    apart, tokens = params.collection.exclude_identical_ids, tokens_of(params, model)
    queries = Collection.read(layout.COLLECTION).queries_of(split)
    loaded = Model.load(layout.MODELS / model, layout.INDEXES / model)
    lines = write_run(loaded, model, tokens, queries, target, depth, apart)
    typer.echo(f"{target}: {lines:,} lines for {len(queries):,} queries")
