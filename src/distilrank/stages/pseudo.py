"""A source's queries, and those that are made of its passages. These are filtered, and those left out are counted."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from distilrank.data.collection import DEV, SCHEMAS, TRAIN, UNLABELLED, WHOLE_TEXT
from distilrank.data.findings import Findings
from distilrank.data.intake import lot_of, normal
from distilrank.data.pseudo_queries import PSEUDO, Make, maker
from distilrank.data.sources.source import Source
from distilrank.progress import progress
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import Candidates
from distilrank.sections.pseudo import Generated, PseudoQueries

if TYPE_CHECKING:
    from distilrank.generation.doc2query import QueryWriter

# Passages whose queries a killed generation keeps.
_AT_ONCE = 512
_MADE = {"query_id": pl.String, "text": pl.String, "passage_id": pl.String}


class WithPseudoQueries:
    """`work` keeps what a model has written, so that a killed stage finds it again. `findings` counts what was left
    out.

    A query goes to train or, where the source has none, to dev or the test set `pseudo`, by the lot of its passage.
    """

    def __init__(self, source: Source, section: PseudoQueries, work: Path, findings: Findings) -> None:
        self._source, self._section, self._work, self._findings = source, section, work, findings

    def passages(self) -> Iterator[pl.DataFrame]:
        return self._source.passages()

    def queries(self) -> pl.DataFrame:
        own = self._source.queries().select(*SCHEMAS["queries"])
        return pl.concat([own, self._made.select(*SCHEMAS["queries"])])

    def qrels(self) -> pl.DataFrame:
        own = self._source.qrels().select(*SCHEMAS["qrels"])
        return pl.concat([own, self._made.with_columns(relevance=pl.lit(1, pl.Int64)).select(*SCHEMAS["qrels"])])

    @cached_property
    def _made(self) -> pl.DataFrame:
        """(query_id, text, passage_id, split)."""
        queries = pl.concat([pl.DataFrame(schema=_MADE), *self._of_passages()])
        twice = ~normal(pl.col("text")).is_first_distinct()
        queries = self._findings.without(queries, twice, "pseudo-queries with the text of another", "left out")
        if self._section.found_within:
            queries = self._found(queries, self._section.found_within)
        own = set(self._source.queries()["split"].drop_nulls())
        split = pl.col("passage_id").map_elements(lambda one: self._split_of(one, own), pl.String)
        return queries.with_columns(split=split)

    def _of_passages(self) -> Iterator[pl.DataFrame]:
        make = self._written if isinstance(self._section, Generated) else _apart(self._maker)
        with progress("passages asked about", self._section.passages) as advance:
            for number, some in enumerate(self._blocks()):
                yield _numbered(some, make(some, number))
                advance(len(some))

    def _blocks(self) -> Iterator[pl.DataFrame]:
        """The passages that queries are made of, some at a time."""
        chosen, section = None, self._section
        if section.passages:
            ids = pl.concat(some["passage_id"] for some in self._sound())
            lots = ids.map_elements(lambda one: lot_of(f"{section.seed} {one}"), pl.Float64)
            chosen = ids.to_frame().sort(lots).head(section.passages)
        for some in self._sound():
            left = some if chosen is None else some.join(chosen, on="passage_id", how="semi", maintain_order="left")
            yield from left.iter_slices(_AT_ONCE)

    def _sound(self) -> Iterator[pl.DataFrame]:
        """Passages without those that `collect` drops for having no id or no text."""
        for some in self._source.passages():
            yield some.with_columns(pl.col("title").fill_null("")).drop_nulls(["passage_id", "text"])

    @cached_property
    def _maker(self) -> Make:
        return maker(self._section, self._sound)

    def _written(self, some: pl.DataFrame, number: int) -> list[list[str]]:
        file = self._work / f"block-{number:06}.parquet"
        if not file.is_file():
            texts = some.select(WHOLE_TEXT.alias("text"))["text"].to_list()
            draft = file.with_suffix(".draft")
            pl.DataFrame({"queries": self._writer.write(texts, self._section.seed + number)}).write_parquet(draft)
            draft.rename(file)
        return pl.read_parquet(file)["queries"].to_list()

    @cached_property
    def _writer(self) -> "QueryWriter":
        from distilrank.generation.doc2query import QueryWriter  # heavy, and needed for a model alone

        assert isinstance(self._section, Generated)
        return QueryWriter(self._section)

    def _found(self, queries: pl.DataFrame, within: int) -> pl.DataFrame:
        """The queries whose passage is among BM25's best `within`. The others ask for something else, or for too
        much."""
        ids = pl.concat(some["passage_id"] for some in self._sound())
        texts = (some.select(WHOLE_TEXT.alias("text"))["text"].to_list() for some in self._sound())
        bm25 = BM25(ids, texts, Candidates())
        run = pl.concat(
            bm25.search(some["query_id"].to_list(), some["text"].to_list(), within).select("query_id", "passage_id")
            for some in queries.iter_slices(10_000)
        )
        found = queries.join(run, on=["query_id", "passage_id"], how="semi", maintain_order="left")
        lost = queries.join(found, on="query_id", how="anti")
        self._findings.add(lost, f"pseudo-queries whose passage BM25 does not find among {within}", "left out")
        return found

    def _split_of(self, passage_id: str, own: set[str]) -> str:
        section = self._section
        drawn, held_out = lot_of(f"{section.seed} split {passage_id}"), 0.0
        if not own - {TRAIN, DEV, UNLABELLED}:
            held_out = section.test_share
            if drawn < held_out:
                return PSEUDO
        return DEV if DEV not in own and drawn < held_out + section.dev_share else TRAIN


def _apart(make: Make) -> Callable[[pl.DataFrame, int], list[list[str]]]:
    return lambda some, _: make(some)


def _numbered(passages: pl.DataFrame, queries: list[list[str]]) -> pl.DataFrame:
    """(query_id, text, passage_id) of the queries of each passage."""
    rows = [
        (f"pseudo-{passage_id}-{number}", text, passage_id)
        for passage_id, its in zip(passages["passage_id"], queries, strict=True)
        for number, text in enumerate(its)
    ]
    return pl.DataFrame(rows, schema=_MADE, orient="row")
