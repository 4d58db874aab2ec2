"""The command `compare`, which shows the figures of two places side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distilrank.cli.app import RESULTS, app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distilrank.results.comparison import Side
    from distilrank.results.comparison_tables import Table

Place = Annotated[
    str,
    typer.Argument(
        help="A git revision, a directory with measures, the id of a run in MLflow, models:/NAME/VERSION "
        "or models:/NAME@ALIAS."
    ),
]


@app.command(rich_help_panel=RESULTS)
def compare(
    first: Place,
    second: Annotated[
        str | None, typer.Argument(help="As FIRST. Default: the results here; with --against: FIRST itself.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option(help="The measure to compare by. Default: the primary measure.")
    ] = None,
    ranker: Annotated[str | None, typer.Option(help="Compare this ranker alone, such as dot-T1.")] = None,
    against: Annotated[str | None, typer.Option(help="Compare it with this ranker of FIRST.")] = None,
    by_query: Annotated[
        bool, typer.Option("--by-query", help="Show the queries with the largest differences.")
    ] = False,
    shared_queries: Annotated[
        bool,
        typer.Option("--shared-queries", help="If the test queries differ, compare by those that both places have."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
) -> None:
    """Compare the figures of two places, ranker by ranker, and say which differences may be chance."""
    from distilrank.errors import InputError
    from distilrank.results.comparison import Wanted
    from distilrank.results.comparison import compare as difference
    from distilrank.results.comparison_tables import as_markdown, tables, tables_by_query
    from distilrank.results.places import texts_of_queries

    if against and not ranker:
        remedy = "name both rankers"
        raise InputError("compare", got="--against without --ranker", expected="both options", remedy=remedy)
    sides = _side(first), _side(second or (first if against else "."))
    wanted = _standard(measure) if measure else sides[0].measures["measure"][0]
    found = difference(*sides, Wanted(wanted, ranker, against, shared_queries))
    shown = [*tables(found), *(tables_by_query(found, texts_of_queries()) if by_query else [])]
    if markdown:
        typer.echo(as_markdown(shown), nl=False)
    else:
        _show(shown)


def _standard(measure: str) -> str:
    """The name by which a measure is measured, such as RR@10 for MRR@10. Raises InputError."""
    from distilrank.errors import InputError
    from distilrank.sections.measures import EXAMPLES, standard

    try:
        return standard(measure)
    except ValueError as error:
        raise InputError(
            "compare",
            got=f"--measure {measure} ({error})",
            expected=f"a measure, such as {EXAMPLES}",
            remedy="name such a measure by --measure",
        ) from error


def _side(name: str) -> "Side":
    """The measures that a place holds, as means over the seeds of each ranker."""
    from distilrank.registry.measured import RUN, measures_of_run, measures_of_version
    from distilrank.results.comparison import Side
    from distilrank.results.places import measures_at, measures_in
    from distilrank.results.seeds import measures_over_seeds

    if name.startswith("models:/"):
        measures = measures_of_version(name)
    elif (here := measures_in(Path(name))) is not None:
        measures = here
    else:
        measures = measures_of_run(name) if RUN.fullmatch(name) else measures_at(name)
    return Side(name, measures_over_seeds(measures))


def _show(shown: "Iterable[Table]") -> None:
    from rich import table as rich_table
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    for one in shown:
        table = rich_table.Table(*map(escape, one.columns), title=escape(one.title))
        for column in table.columns[one.names :]:
            column.justify = "right"
        for row in one.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        for note in one.notes:
            console.print(escape(note), soft_wrap=True, highlight=False)
