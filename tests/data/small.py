"""A small collection, as rows, and as the lines of a file."""

from typing import Any

PASSAGES = [("p1", "", "one fish"), ("p2", "", "two fish"), ("p3", "", "red fish"), ("p4", "", "blue fish")]
QUERIES = {"train": ("1", "which is one?"), "dev": ("2", "which is two?"), "test": ("3", "which is red?")}
QRELS = {"train": ("1", "p1", 1), "dev": ("2", "p2", 1), "test": ("3", "p3", 2)}


def lines(rows: Any) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)
