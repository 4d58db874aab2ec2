"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A table whose first `names` columns hold words, the others figures."""
    every = [columns, ["---" if number < names else "---:" for number in range(len(columns))], *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in row)} |" for row in every)


def _cell(text: str) -> str:
    """A cell's text on one line, with nothing in it that would begin another cell."""
    return " ".join(text.split()).replace("|", r"\|")
