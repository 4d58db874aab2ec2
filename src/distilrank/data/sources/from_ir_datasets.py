"""Data sets of the library ir_datasets, which downloads and caches them itself, in IR_DATASETS_HOME."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import polars as pl
from pydantic import Field, model_validator

from distilrank.data.collection import SCHEMAS
from distilrank.data.sources.section import IR_DATASETS, CollectionSection, FileName, word_of
from distilrank.data.sources.source import PASSAGES_AT_ONCE
from distilrank.data.tables import of_splits
from distilrank.errors import CollectionError, DownloadError
from distilrank.sections.base import SplitName, text_like


class IrDataset(CollectionSection):
    """A data set of ir_datasets, whose id follows the colon."""

    source: Annotated[str, text_like(rf"^{IR_DATASETS}.+$", f"{IR_DATASETS}ID")]

    splits: Annotated[dict[SplitName, FileName], Field(min_length=1)]
    """train, dev, and test sets of any name. Each names the data set below it that has its queries and qrels."""

    unlabelled: FileName | None = None
    """The data set below it with queries without qrels."""

    @model_validator(mode="before")
    @classmethod
    def evaluates_as_beir_does(cls, section: Any) -> Any:
        is_of_beir = isinstance(section, dict) and str(section.get("source")).startswith(f"{IR_DATASETS}beir/")
        return {"exclude_identical_ids": True} | section if is_of_beir else section

    @property
    def called(self) -> str:
        """Its `name`, else its id."""
        return self.name or word_of(self.source.removeprefix(IR_DATASETS))

    def splits_to_come(self) -> set[str]:
        return set(self.splits)

    def opened(self) -> "IrDatasetSource":
        return IrDatasetSource(self)


class IrDatasetSource:
    def __init__(self, params: IrDataset) -> None:
        self._params = params
        self._id = params.source.removeprefix(IR_DATASETS)

    def passages(self) -> Iterator[pl.DataFrame]:
        rows = (_passage(document) for document in rows_of(self._id, "docs"))
        while some := list(islice(rows, PASSAGES_AT_ONCE)):
            yield pl.DataFrame(some, schema=SCHEMAS["passages"], orient="row")

    def queries(self) -> pl.DataFrame:
        labelled = {split: self._queries(name) for split, name in self._params.splits.items()}
        return of_splits(labelled, self._queries(self._params.unlabelled) if self._params.unlabelled else None)

    def qrels(self) -> pl.DataFrame:
        rows = [
            (one.query_id, one.doc_id, one.relevance, split)
            for split, name in self._params.splits.items()
            for one in rows_of(f"{self._id}/{name}", "qrels")
        ]
        return pl.DataFrame(rows, schema=SCHEMAS["qrels"], orient="row")

    def _queries(self, name: str) -> pl.DataFrame:
        rows = [(one.query_id, one.default_text()) for one in rows_of(f"{self._id}/{name}", "queries")]
        return pl.DataFrame(rows, schema={"query_id": pl.String, "text": pl.String}, orient="row")


def rows_of(name: str, part: str) -> Iterator[Any]:
    """The docs, queries, qrels, docpairs or scoreddocs of a data set. Raises CollectionError and DownloadError."""
    import ir_datasets

    try:
        dataset = ir_datasets.load(name)
    except KeyError as error:
        raise CollectionError(
            f"ir_datasets {name}",
            got="no such data set",
            expected="an id of ir_datasets",
            remedy="look it up at ir-datasets.com",
        ) from error
    if not dataset.has(part):
        raise CollectionError(
            f"ir_datasets {name}", got=f"no {part}", expected=f"a data set with {part}", remedy="name another one"
        )
    try:
        yield from getattr(dataset, f"{part}_iter")()
    except (OSError, RuntimeError, ValueError) as error:
        raise DownloadError(
            f"ir_datasets {name}",
            got=f"{type(error).__name__}: {error}"[:160],
            expected=f"{part} that can be read",
            remedy="check the connection, and what ir-datasets.com says about this data set",
        ) from error


def _passage(document: Any) -> tuple[str, str, str]:
    title = getattr(document, "title", "") or ""
    text = getattr(document, "text", None)
    return document.doc_id, title if text is not None else "", text if text is not None else document.default_text()
