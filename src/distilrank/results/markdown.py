"""Tables of Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """The first columns, as many as `names`, are of words, the others of figures."""
    every = [columns, ["---" if number < names else "---:" for number in range(len(columns))], *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in row)} |" for row in every)


def _cell(text: str) -> str:
    """On one line, and without what would begin another cell."""
    return " ".join(text.split()).replace("|", r"\|")
