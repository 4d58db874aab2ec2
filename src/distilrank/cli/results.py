"""Commands that show what was built, and search with it."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from distilrank.artifacts import layout
from distilrank.cli.app import CHECKPOINTS, RESULTS, Dense, Evaluation, app, read
from distilrank.cli.next_step import next_step
from distilrank.errors import InputError


@app.command(rich_help_panel=RESULTS)
def collection(evaluation: Evaluation = layout.OWN) -> None:
    """Show what a collection holds, how long its texts are, and what is wrong with it."""
    from distilrank.cli.collection_table import show_collection

    show_collection(evaluation)
    if not layout.METRICS.exists():
        next_step("`dvc repro` builds the rest")


@app.command(rich_help_panel=RESULTS)
def results() -> None:
    """Show the figures of the last evaluation and the path of the report."""
    from distilrank.cli.tables import show_results

    show_results(read())
    next_step("`distilrank serve-search` compares rankers in a browser; `distilrank register` enters the models")


@app.command(rich_help_panel=RESULTS)
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    system: Annotated[
        str | None,
        typer.Option(
            "--system",
            "--model",
            help="bm25, a model, an index or a system. Default: the first taught student that searches.",
        ),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="In the place of a system: an index that `distilrank update` wrote.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages to show.")] = 5,
) -> None:
    """Answer a query with a system: BM25, a dense model, an index, or another model that re-ranks BM25's best."""
    if system and index:
        raise InputError("search", got="--system and --index", expected="one of them", remedy="leave one out")
    from distilrank.cli.tables import show_hits
    from distilrank.config.params_file import read_params
    from distilrank.results.search import with_texts
    from distilrank.searching import Searchers, refuse_query

    refuse_query(query)
    searchers = Searchers(read_params, [index] if index else [])
    name = str(index) if index else system or searchers.usual()
    hits = searchers.load(name).search(query, depth)
    show_hits(query, name, with_texts(hits, layout.COLLECTION, index))


@app.command("serve-search", rich_help_panel=RESULTS)
def serve_search(
    host: Annotated[
        str | None,
        typer.Option(help="An address of this machine, for other machines to reach it. Default: this machine alone."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 means any free one.")] = 8088,
    index: Annotated[
        list[Path] | None,
        typer.Option(help="An index that `distilrank update` wrote, to search beside the systems; once per index."),
    ] = None,
) -> None:
    """Serve a page on which people search and compare what systems find."""
    from distilrank.serving.search.serve import serve_search as serve

    serve(host, port, index or [])


@app.command(rich_help_panel=CHECKPOINTS)
def retrieve(
    model: Dense,
    target: Annotated[Path, typer.Argument(help="The TREC run to write; it must not exist.")],
    split: Annotated[str, typer.Option(help="The split whose queries search: train, dev, unlabelled, or a test set.")],
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many passages per query.")] = 100,
) -> None:
    """Write the run of a model or an index for all queries of a split, for use as given candidates."""
    from distilrank.config.derived import model_of_index, tokens_of
    from distilrank.data.collection import Collection
    from distilrank.indexed import load_indexed
    from distilrank.results.search import write_run

    params = read()
    apart, tokens = params.collection.exclude_identical_ids, tokens_of(params, model_of_index(params, model))
    queries = Collection.read(layout.COLLECTION).queries_of(split)
    loaded = load_indexed(params, model)
    lines = write_run(loaded, model, tokens, queries, target, depth, apart)
    typer.echo(f"{target}: {lines:,} lines for {len(queries):,} queries")
    next_step(f"name {target} in candidates.runs of params.yaml, then run `distilrank lock`")


@app.command(rich_help_panel=CHECKPOINTS)
def update(
    name: Annotated[
        str,
        typer.Argument(
            help="A dense model or an index, such as dot-T1 or dot-hnsw-T1; or the directory of an updated index."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="The directory to write; it must not exist.")],
    passages: Annotated[
        Path | None,
        typer.Option(exists=True, help="A file of passages to add. They replace passages with the same ids."),
    ] = None,
    delete: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file of passage ids to delete, one per line.")
    ] = None,
) -> None:
    """Write an index with passages added, replaced and deleted, without a rebuild."""
    if not passages and not delete:
        raise InputError("update", got="no change", expected="--passages or --delete", remedy="name a file")
    from distilrank.stages.update import update as changed

    counts = changed(read(), name, target, passages, delete)
    typer.echo(f"{target}: {', '.join(f'{number:,} {what}' for what, number in counts.items())}")
    place = quote(str(target))
    next_step(f'`distilrank search --index {place} "a query"` or `distilrank serve-search --index {place}`')
