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
    model: Annotated[str | None, typer.Option(help="A dense ranker, or an index; else the first, as taught.")] = None,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages to show.")] = 5,
) -> None:
    """Answer a query by a distilled student's vectors of all passages, or by an index of these."""
    if not query.strip():
        raise InputError("search", got="an empty query", expected="words to look for", remedy="say what to look for")
    from distilrank.cli.tables import show_hits
    from distilrank.config.derived import encoded_models
    from distilrank.results.search import search as find
    from distilrank.stages.indexed import load_indexed

    params = read()
    name = (
        model or encoded_models(params, only_searched=True)[1]
    )  # after its control, the first student that searches as first taught
    loaded = load_indexed(params, name)
    show_hits(query, name, find(query, loaded, layout.COLLECTION, depth))


@app.command(rich_help_panel=CHECKPOINTS)
def retrieve(
    model: Dense,
    target: Annotated[Path, typer.Argument(help="The TREC run to write; it must not exist.")],
    split: Annotated[str, typer.Option(help="Whose queries: train, dev, unlabelled, or a test set.")],
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages a query.")] = 100,
) -> None:
    """Write what a model or an index finds for all queries of a split, to be given as candidates."""
    from distilrank.config.derived import model_of_index, tokens_of
    from distilrank.data.collection import Collection
    from distilrank.results.search import write_run
    from distilrank.stages.indexed import load_indexed

    params = read()
    apart, tokens = params.collection.exclude_identical_ids, tokens_of(params, model_of_index(params, model))
    queries = Collection.read(layout.COLLECTION).queries_of(split)
    loaded = load_indexed(params, model)
    lines = write_run(loaded, model, tokens, queries, target, depth, apart)
    typer.echo(f"{target}: {lines:,} lines for {len(queries):,} queries")
