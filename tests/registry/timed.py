"""What a promotion's requests are made of, and what `latency` writes."""

from pathlib import Path

import polars as pl

from distilrank import layout
from distilrank.artifacts import digest, write_json
from distilrank.data.collection import SCHEMAS
from distilrank.data.runs import write_trec

PASSAGES = ["create a bucket", "delete the fleet", "a list of the bucket", "delete a table", "list"]


def write_collection(folder: Path) -> None:
    """Five passages and three test queries."""
    ids = list("abcde")
    passages = pl.DataFrame({"passage_id": ids, "title": "", "text": PASSAGES}, schema=SCHEMAS["passages"])
    texts = ["create bucket", "delete", "list of table"]
    queries = pl.DataFrame({"query_id": ["0", "1", "2"], "text": texts, "split": "test"}, schema=SCHEMAS["queries"])
    qrels = pl.DataFrame(
        {"query_id": ["0", "1", "2"], "passage_id": ids[:3], "relevance": 1, "split": "test"}, schema=SCHEMAS["qrels"]
    )
    for name, table in (("passages", passages), ("queries", queries), ("qrels", qrels)):
        table.write_parquet(folder / f"{name}.parquet")


def write_run(folder: Path) -> None:
    """The candidates of the test queries."""
    run = pl.DataFrame({"query_id": list("000111222"), "passage_id": list("abcbcdcde"), "score": [3.0, 2.0, 1.0] * 3})
    write_trec(run, folder / "bm25.rerank.trec", "bm25")


def write_latency(models: list[str], indexed: list[str], median: float = 5.0, machine: str = "a machine") -> None:
    places = [layout.MODELS / name for name in models] + [layout.INDEXES / name for name in indexed]
    times = {"median": median, "p90": median}
    reranking = {name: {"single": times, "concurrent": times, "encoded beforehand": times} for name in models}
    searching = {name: {"single": times, "concurrent": times} for name in indexed}
    told = {"machine": machine, "depth": 3, "top_k": 10, "queries": 3, "clients": 4}
    told |= {"measured": {str(place): digest(place) for place in places}}
    write_json(layout.LATENCY, told | {"milliseconds": {"rerank": reranking, "retrieve": searching}})
