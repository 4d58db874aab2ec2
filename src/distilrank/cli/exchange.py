"""Commands that import what others made, and export what others can read."""

from pathlib import Path
from typing import Annotated

import typer

from distilrank.cli.app import CHECKPOINTS, Target, app
from distilrank.cli.next_step import next_step


@app.command("import-published", rich_help_panel=CHECKPOINTS)
def import_published(
    source: Annotated[Path, typer.Argument(help="A folder with config.json, weights and tokenizer.")],
    target: Target,
    architecture: Annotated[str, typer.Option(help="Its architecture: dot, colbert, cat or prettr.")],
    query_length: Annotated[int, typer.Option(min=1, max=512, help="Tokens per query, without special ones.")] = 28,
    passage_length: Annotated[
        int, typer.Option(min=1, max=8192, help="Tokens per passage, without special ones.")
    ] = 198,
) -> None:
    """Make a ranker from a checkpoint that the authors of arXiv 2010.02666 published."""
    from distilrank.conversion.published import import_published as convert

    convert(source, target, architecture, query_length, passage_length)
    next_step(f"name it in params.yaml as a teacher's `checkpoint: {target}`, then run `distilrank lock`")


@app.command("export-model", rich_help_panel=CHECKPOINTS)
def export_model(
    model: Annotated[Path, typer.Argument(help="A trained ranker's directory, such as models/dot-T1.")], target: Target
) -> None:
    """Write a dot, colbert or cat ranker for sentence-transformers."""
    from distilrank.conversion.export import export_model as convert

    encoder = convert(model, target)
    uses = 'predict([("a query", "a passage")])' if encoder == "CrossEncoder" else 'encode_query("a query")'
    loads = f"from sentence_transformers import {encoder}", f'model = {encoder}("{target}")'
    next_step("use it", *loads, f"model.{uses}")


@app.command("export-scores", rich_help_panel=CHECKPOINTS)
def export_scores(
    labels: Annotated[Path, typer.Argument(help="A teacher's labels, such as labels/bm25/T1.")],
    target: Target,
    licence: Annotated[
        str, typer.Option(help="The licence of the scores, by its identifier, such as cc-by-4.0.")
    ] = "unknown",
    form: Annotated[
        str, typer.Option(help="The form of the text: scores, flagembedding, sentence-transformers or run.")
    ] = "scores",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress the text.")] = False,
) -> None:
    """Write a teacher's scores as a package for others: text and Parquet, with a data card and checksums."""
    from distilrank.labels.package import export_scores as export

    export(labels, target, licence, gzip, form)
    next_step(f"{target}/README.md has the line of params.yaml that imports it")
