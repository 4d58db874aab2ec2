"""The command that fails if the figures of a run are not those stated in the params."""

import typer

from distilrank.cli.app import RESULTS, app, read


@app.command(rich_help_panel=RESULTS)
def check_results() -> None:
    """Check the last evaluation against report.expected: print each figure that is off; if one is, exit with code 1."""
    from distilrank.evaluation.measures import means_by_task
    from distilrank.results.expected import faults, graded, not_graded, refuse_none
    from distilrank.results.measured_here import measures_here
    from distilrank.results.seeds import over_seeds

    params = read()
    expected, collections = params.report.expected, params.collections_named()
    metrics, _ = over_seeds(means_by_task(measures_here()))
    tables = graded(expected, collections, metrics)
    refuse_none(tables, collections)
    for sentence in not_graded(expected, collections):
        typer.echo(sentence)
    wrong = [*faults(tables)]
    for line in wrong:
        typer.echo(line)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"{sum(len(table.rows) for table in tables)} figures are as stated")
