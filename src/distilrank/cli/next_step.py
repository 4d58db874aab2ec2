"""What a user may do next: the last lines of a command, on standard error, so that pipes hold what it printed."""

import typer


def next_step(what: str, *code: str) -> None:
    """Prints a sentence and, below it, lines of code. A command in backticks stands in the sentence."""
    typer.echo("\n    ".join((f"next: {what}", *code)), err=True)
