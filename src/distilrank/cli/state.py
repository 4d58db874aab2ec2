"""`distilrank` without a command: shows what is built, what is out of date, and what to run next."""

import typer

from distilrank.cli.app import app, read
from distilrank.cli.next_step import next_step

_MOST_NAMED = 8


@app.callback(invoke_without_command=True)
def show_state(context: typer.Context) -> None:
    if context.invoked_subcommand is not None:
        return
    from distilrank.config.entries import PARAMS_FILE

    if not PARAMS_FILE.is_file():
        typer.echo(f"no project here: there is no {PARAMS_FILE}")
        next_step("`distilrank init` makes one in an empty directory; `distilrank --help` lists all commands")
        return
    from distilrank.artifacts.code_file import refuse_stale_code
    from distilrank.artifacts.dvc_state import state
    from distilrank.config.graph import refuse_stale_graph

    params = read()
    refuse_stale_code()
    refuse_stale_graph(params)
    now = state()
    built = now.stages - len(now.absent) - len(now.stale)
    teachers, students = _named(params.matrix.teachers), _named([*params.students])
    typer.echo(f"{params.collection.called} · teachers: {teachers} · students: {students}")
    typer.echo(f"{built} of {now.stages} stages are built and up to date")
    for stage, changed in list(now.stale.items())[:_MOST_NAMED]:
        typer.echo(f"  out of date: {stage} ({_named(changed)} changed)")
    if len(now.stale) > _MOST_NAMED:
        typer.echo(f"  and {len(now.stale) - _MOST_NAMED} more")
    if now.absent:
        typer.echo(f"  not built: {_named(now.absent)}")
    if len(now.absent) == now.stages:
        next_step("run `distilrank check`")
    elif built < now.stages:
        next_step("`dvc repro` builds these, and what depends on them")
    else:
        next_step("`distilrank results` shows them; then `distilrank register` enters the models into the registry")


def _named(some: list[str]) -> str:
    """A few of the names, and how many more there are."""
    more = len(some) - _MOST_NAMED
    return ", ".join(some[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if some else "none"
