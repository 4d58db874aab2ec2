"""Commands that work on params.yaml."""

from functools import partial
from typing import Annotated

import typer

from distilrank.cli.app import app, read
from distilrank.cli.next_step import next_step
from distilrank.errors import all_told


@app.command()
def init(
    preset: Annotated[
        str | None, typer.Option(help="A file of presets/, without .yaml, such as paper. Default: the defaults alone.")
    ] = None,
    passages: Annotated[
        str | None, typer.Option(help="With --preset corpus: a folder of texts, or a .tsv or .jsonl file of passages.")
    ] = None,
) -> None:
    """Write params.yaml: the defaults, with a preset's changes if one is named.

    Params of your own are not overwritten. In a directory with neither params.yaml nor dvc.yaml, this makes a new
    project: the pipeline, its flows and presets, in a git repository.
    """
    from distilrank.artifacts.code_file import CODE_FILE, renew_code_file
    from distilrank.config.entries import PARAMS_FILE
    from distilrank.config.graph import write_graph
    from distilrank.config.presets import DEFAULT, PRESETS, preset_params, unseen_by_dvc, use_preset
    from distilrank.config.project_files import PIPELINE, new_project, origin

    name, is_new = preset or DEFAULT, not (PIPELINE.is_file() or PARAMS_FILE.is_file())
    if is_new:
        preset_params(name, passages, origin() / PRESETS)  # refused before anything is written
        typer.echo(f"a new project of {len(new_project())} files; put them and {CODE_FILE} under git")
    use_preset(name, passages)
    if is_new:
        renew_code_file()
    write_graph(read())
    if passages and unseen_by_dvc(passages):
        typer.echo(f"note: DVC does not see {passages} change: put or link it below collections/, and name it there")
    next_step(f"after an edit of {PARAMS_FILE}, run `distilrank lock`; then run `distilrank check`")


@app.command()
def lock() -> None:
    """Renew code.yaml and graph.yaml after a change of the code or of params. They tell DVC what to build."""
    from distilrank.artifacts.code_file import renew_code_file
    from distilrank.config.graph import write_graph

    params = read()
    renew_code_file()
    write_graph(params)
    next_step("run `distilrank check`")


@app.command("params")
def params_reference(
    section: Annotated[str | None, typer.Argument(help="One section, such as students. Default: all.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as in docs/params.md.")] = False,
) -> None:
    """Explain every key of params.yaml: what it takes, its default, its meaning."""
    from distilrank.cli.params_reference import as_markdown, as_text
    from distilrank.config.reference import reference

    typer.echo((as_markdown if markdown else as_text)(reference(section)), nl=False)


@app.command()
def check() -> None:
    """Check params.yaml and what it names: files, checksums, backbones and queries of every kind; tell all faults.

    Also repair a dvc.lock that a kill left incomplete. Nothing is built.
    """
    from distilrank.artifacts.code_file import refuse_stale_code
    from distilrank.artifacts.dvc_files import mend
    from distilrank.artifacts.layout import COLLECTION
    from distilrank.check import check as check_all
    from distilrank.config.graph import refuse_stale_graph
    from distilrank.config.named_by_dvc import refuse_absent_keys
    from distilrank.config.unmeasured import unmeasured
    from distilrank.config.validation_cost import costly_validations

    mend(typer.echo)
    params = read()
    all_told(
        [
            refuse_stale_code,
            refuse_absent_keys,
            partial(refuse_stale_graph, params),
            partial(check_all, params, thoroughly=True),
        ]
    )
    for note in (*costly_validations(params), *unmeasured(params)):
        typer.echo(f"note: {note}", err=True)
    if COLLECTION.exists():
        next_step("`dvc repro` builds what is out of date; `distilrank` says what that is")
    else:
        next_step("`dvc repro collect tokenize`, then `distilrank collection` shows whether the data are right")
