"""BM25, with and without a stemmer, against Anserini's published figures and runs, all at k1 = 0.9 and b = 0.4.

    python benchmarks/bm25_published.py [--datasets ../shared/datasets] [--queries 300]

SciFact is complete here, so figures can be compared with those of Anserini's regression beir-v1.0.0-scifact.flat. Of MS
MARCO there is only a pool of 32,027 passages, and figures of a search in it compare with nothing. So the 100 passages
per query of the official runs of TREC DL 2019 and 2020 are ordered again instead. There, our idf and mean length are
those of the pool, not of 8.8 million passages. Anserini uses Porter's stemmer, ours is Snowball's.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from distilrank.data.collection import Collection
from distilrank.data.intake import take_in
from distilrank.data.runs import read_trec, top
from distilrank.data.sources.beir import Beir
from distilrank.data.tables import read_qrels
from distilrank.data.text import Text
from distilrank.evaluation.measures import means, measure
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import Candidates

DEPTH = 1000
PLAIN = Candidates(depth=DEPTH, k1=0.9, b=0.4)
OURS = {"ours": PLAIN, "ours, stemmer: english": PLAIN.model_copy(update={"stemmer": "english"})}
ANSERINI = {"nDCG@10": 0.6789, "R@100": 0.9253, "R@1000": 0.9767}
YEARS = ("dl19", "dl20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--queries", type=int, help="of each test set, the first so many; else all, as published")
    asked = parser.parse_args()
    console = Console(width=110)
    for name, compare in (("scifact", searched), ("msmarco-dl19-dl20", put_in_order)):
        folder = asked.datasets / name
        console.print(compare(folder, asked.queries) if folder.is_dir() else f"{folder} is not there: left out")


def searched(folder: Path, queries: int | None) -> Table:
    """The figures of searching the whole collection."""
    table = Table("SciFact", *ANSERINI, title="Searching 5,183 passages: published figures compare")
    table.add_row("Anserini", *(f"{figure:.4f}" for figure in ANSERINI.values()))
    with tempfile.TemporaryDirectory() as temporary:
        collection = taken(folder, {"test": "test"}, Path(temporary))
        qrels = first(collection.qrels_of("test"), queries)
        for name, params in OURS.items():
            run = search(index_of(collection, params), collection, qrels, DEPTH)
            figures = means(measure(run, qrels, measures=list(ANSERINI)))
            table.add_row(name, *(f"{figures[one]:.4f}" for one in ANSERINI))
    return table


def put_in_order(folder: Path, queries: int | None) -> Table:
    """The figures of the official runs' passages in our order."""
    columns = [f"{what}, {year}" for year in YEARS for what in ("nDCG@10", "of their best 10")]
    table = Table("TREC DL", *columns, title="The official runs' 100 passages a query, in each one's order")
    with tempfile.TemporaryDirectory() as temporary:
        collection = taken(folder, {year: year for year in YEARS}, Path(temporary))
        official = {year: read_trec(folder / "runs" / f"BM25.{year}.trec") for year in YEARS}
        table.add_row(
            "Anserini", *(cell for year in YEARS for cell in compared(folder, year, official, official, queries))
        )
        for name, params in OURS.items():
            index = index_of(collection, params)
            # As deep as the pool, so that every official candidate that shares a term with its query is found.
            runs = {
                year: search(index, collection, run, len(collection.passage_ids())) for year, run in official.items()
            }
            table.add_row(name, *(cell for year in YEARS for cell in compared(folder, year, runs, official, queries)))
    return table


def compared(
    folder: Path, year: str, runs: dict[str, pl.DataFrame], official: dict[str, pl.DataFrame], queries: int | None
) -> Iterator[str]:
    """nDCG@10 of the official run's passages in our order, and the share of its best ten that are also in ours."""
    theirs = first(official[year], queries)
    ours = runs[year].join(theirs, on=["query_id", "passage_id"], how="semi")
    judged = read_qrels(Text(folder / "qrels_official" / f"qrels.{year}-passage.txt"), year)
    yield f"{means(measure(ours, judged.join(theirs, on='query_id', how='semi')))['nDCG@10']:.4f}"
    best = top(theirs, 10)
    yield f"{len(top(ours, 10).join(best, on=['query_id', 'passage_id'])) / len(best):.0%}"


def taken(folder: Path, splits: dict[str, str], directory: Path) -> Collection:
    take_in(Beir(source="beir", location=str(folder), splits=splits).opened(), directory, None, None)
    return Collection.read(directory)


def index_of(collection: Collection, params: Candidates) -> BM25:
    return BM25(collection.passage_ids(), collection.passage_texts(), params)


def search(index: BM25, collection: Collection, wanted: pl.DataFrame, depth: int) -> pl.DataFrame:
    """The run for the queries in `wanted`."""
    queries = collection.queries.join(wanted, on="query_id", how="semi")
    return index.search(queries["query_id"].to_list(), queries["text"].to_list(), depth)


def first(table: pl.DataFrame, queries: int | None) -> pl.DataFrame:
    """The rows of the first queries by id, as many as asked for; all rows if there is no number."""
    chosen = table.select("query_id").unique().sort("query_id").head(queries or len(table))
    return table.join(chosen, on="query_id", how="semi")


if __name__ == "__main__":
    main()
