"""A source's queries, and those that are made of its passages. These are filtered, and those left out are counted."""

import json
from collections.abc import Callable, Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from distilrank.data.collection import DEV, SCHEMAS, TRAIN, UNLABELLED, WHOLE_TEXT
from distilrank.data.findings import Findings
from distilrank.data.lots import lot_of, normal
from distilrank.data.pseudo_queries import PSEUDO, Make, maker
from distilrank.data.runs import RUN_SCHEMA
from distilrank.data.sources.section import CollectionSection
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
    """`candidates` says how BM25 filters. `work` keeps what a model has written, so that a killed stage finds it again.
    `findings` counts what was left out.

    A query goes to train or, where the source has none, to dev or the test set `pseudo`, by the lot of its passage.
    """

    def __init__(
        self,
        section: PseudoQueries,
        collection: CollectionSection,
        candidates: Candidates,
        work: Path,
        findings: Findings,
    ) -> None:
        self._section, self._candidates, self._work, self._findings = section, candidates, work, findings
        self._source, self._dev_share = collection.opened(), collection.dev_from_train[0]

    def passages(self) -> Iterator[pl.DataFrame]:
        return self._source.passages()

    def queries(self) -> pl.DataFrame:
        return pl.concat([self._own, self._made.select(*SCHEMAS["queries"])])

    def qrels(self) -> pl.DataFrame:
        own = self._source.qrels().select(*SCHEMAS["qrels"])
        return pl.concat([own, self._made.with_columns(relevance=pl.lit(1, pl.Int64)).select(*SCHEMAS["qrels"])])

    def made_ids(self) -> list[str]:
        return self._made["query_id"].to_list()

    @cached_property
    def _own(self) -> pl.DataFrame:
        return self._source.queries().select(*SCHEMAS["queries"])

    @cached_property
    def _made(self) -> pl.DataFrame:
        """(query_id, text, passage_id, split, same). `same` is the text in the form in which queries count as one."""
        every = pl.concat([pl.DataFrame(schema=_MADE), *self._of_passages()]).with_columns(same=normal(pl.col("text")))
        queries = every.filter(pl.struct("same", "passage_id").is_first_distinct())
        asked = self._own.filter(pl.col("split").is_not_null()).select(same=normal(pl.col("text")))["same"].drop_nulls()
        for wrong, what in (
            (pl.col("same").is_in(asked.implode()), "pseudo-queries with the text of a person's query"),
            (self._ambiguous(queries), "ambiguous pseudo-queries, which are the query or title of several passages"),
        ):
            queries = self._findings.without(queries, wrong, what, "left out")
        queries = queries.with_columns(split=pl.col("passage_id").map_elements(self._split_of, pl.String))
        return self._found(queries, self._section.found_within) if self._section.found_within else queries

    def _ambiguous(self, queries: pl.DataFrame) -> pl.Expr:
        """Whether several passages have a text as their query or title. Titles of passages that were not drawn count
        too."""
        titles = (
            some.select("passage_id", same=normal(pl.col("title"))).join(queries, on="same", how="semi")
            for some in self._sound()
        )
        claims = pl.concat([queries.select("passage_id", "same"), *titles]).unique()
        several = claims.filter(pl.col("same").is_duplicated())["same"].unique()
        return pl.col("same").is_in(several.implode())

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
        texts, seed = some.select(WHOLE_TEXT.alias("text"))["text"].to_list(), self._section.seed + number
        # Other texts or weights are other queries.
        identity = sha256(json.dumps([self._model, seed, texts]).encode()).hexdigest()[:16]
        file = self._work / f"block-{number:06}-{identity}.parquet"
        if not file.is_file():
            draft = file.with_suffix(".draft")
            pl.DataFrame({"queries": self._writer.write(texts, seed)}).write_parquet(draft)
            draft.rename(file)
        return pl.read_parquet(file)["queries"].to_list()

    @cached_property
    def _model(self) -> str:
        from distilrank.generation.doc2query import digest_of_model  # heavy, and needed for a model alone

        assert isinstance(self._section, Generated)
        return digest_of_model(self._section)

    @cached_property
    def _writer(self) -> "QueryWriter":
        from distilrank.generation.doc2query import QueryWriter  # heavy, and needed for a model alone

        assert isinstance(self._section, Generated)
        return QueryWriter(self._section)

    def _found(self, queries: pl.DataFrame, within: int) -> pl.DataFrame:
        """Without the training queries whose passage is not among BM25's best `within`. These ask for something else,
        or for too much."""
        # Dev and test queries stay. If BM25 chose them, it would find all their passages, and its figures would be too
        # good.
        train = queries.filter(pl.col("split") == TRAIN)
        ids = pl.concat(some["passage_id"] for some in self._sound())
        texts = (some.select(WHOLE_TEXT.alias("text"))["text"].to_list() for some in self._sound())
        bm25 = BM25(ids, texts, self._candidates)
        runs = (
            bm25.search(some["query_id"].to_list(), some["text"].to_list(), within)
            for some in train.iter_slices(10_000)
        )
        run = pl.concat([pl.DataFrame(schema=RUN_SCHEMA), *runs])
        lost = train.join(run, on=["query_id", "passage_id"], how="anti", maintain_order="left")
        self._findings.add(lost, f"pseudo-queries whose passage BM25 does not find among {within}", "left out")
        return queries.join(lost, on="query_id", how="anti", maintain_order="left")

    def _split_of(self, passage_id: str) -> str:
        section, own = self._section, self._splits
        drawn, held_out = lot_of(f"{section.seed} split {passage_id}"), 0.0
        if not own - {TRAIN, DEV, UNLABELLED}:
            held_out = section.test_share
            if drawn < held_out:
                return PSEUDO
        has_dev = DEV in own or (self._dev_share is not None and TRAIN in own)
        return DEV if not has_dev and drawn < held_out + section.dev_share else TRAIN

    @cached_property
    def _splits(self) -> set[str]:
        """Those of the source's own queries."""
        return set(self._own["split"].drop_nulls())


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
