"""A data set of ir_datasets that is read from files here."""

from pathlib import Path
from typing import Any

import ir_datasets
import pytest
from ir_datasets.formats import TrecQrels, TrecScoredDocs, TsvDocPairs, TsvDocs, TsvQueries
from tests.data.small import PASSAGES, QRELS, QUERIES, lines


class LocalFile:
    """A file as ir_datasets wants to have it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, force: bool = True) -> str:
        return str(self._path)

    def stream(self) -> Any:
        return self._path.open("rb")


@pytest.fixture
def registered(tmp_path: Path) -> str:
    """The id of a data set of ir_datasets that is read from files here."""
    name = f"fish-{tmp_path.name}"

    def file(content: str) -> LocalFile:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.txt"
        path.write_text(content)
        return LocalFile(path)

    documents = TsvDocs(file(lines((id_, text) for id_, _, text in PASSAGES)))
    ir_datasets.registry.register(name, ir_datasets.Dataset(documents))
    for split, query in QUERIES.items():
        query_id, passage, relevance = QRELS[split]
        parts = [
            documents,
            TsvQueries(file(lines([query]))),
            TrecQrels(file(f"{query_id} 0 {passage} {relevance}\n"), {}),
            TrecScoredDocs(file(f"{query_id} Q0 p4 1 2.5 run\n{query_id} Q0 {passage} 2 1.5 run\n")),
            TsvDocPairs(file(lines([(query_id, passage, "p4")]))),
        ]
        ir_datasets.registry.register(f"{name}/{split}", ir_datasets.Dataset(*parts))
    return name
