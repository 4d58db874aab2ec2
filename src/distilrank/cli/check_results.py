"""The command that fails where a run is not what was stated of it."""

import typer

from distilrank.cli.app import RESULTS, app, read


@app.command(rich_help_panel=RESULTS)
def check_results() -> None:
    """Hold the last evaluation to the figures of report.expected: a line for each that is off, and exit code 1."""
    import json

    from distilrank.artifacts import layout
    from distilrank.artifacts.files import built
    from distilrank.results.expected import collections_named, faults, graded, refuse_none
    from distilrank.results.seeds import over_seeds

    params = read()
    metrics, _ = over_seeds(json.loads(built(layout.METRICS).read_text("utf-8")))
    tables = graded(params.report.expected, collections_named(params), metrics)
    refuse_none(tables, params.collection.called)
    wrong = [*faults(tables)]
    for line in wrong:
        typer.echo(line)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"{sum(len(table.rows) for table in tables)} figures are as stated")
