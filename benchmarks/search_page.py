"""The seconds from the start of `distilrank serve-search` until its page answers, and until a first search is answered.

`python benchmarks/search_page.py`, from the root of a project with candidates, starts the command anew in each round,
and asks over a socket: for the page, then for what BM25 finds for a test query that has qrels.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from distilrank.artifacts import layout
from distilrank.data.collection import Collection
from distilrank.evaluation.latency import machine

COMMAND = [sys.executable, "-m", "distilrank", "serve-search", "--port", "0"]
# By what is waited for: the seconds since the start, and those in which the server computed.
Waits = dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--query", default=None, help="a text; by default, the first test query that has qrels")
    asked = parser.parse_args()
    query = asked.query or test_query()
    rounds = [waits(query) for _ in range(asked.rounds)]
    table = Table("until", "s, median", "s, least", "CPU s, median", title=f"{asked.rounds} starts, {machine()}")
    for what in rounds[0]:
        seconds, computed = zip(*(one[what] for one in rounds), strict=True)
        table.add_row(what, *(f"{value:.2f}" for value in (median(seconds), min(seconds), median(computed))))
    Console().print(table)


def test_query() -> str:
    collection = Collection.read(layout.COLLECTION)
    text: str = collection.queries.join(collection.test_qrels(), on="query_id", how="semi")["text"][0]
    return text


def waits(query: str) -> Waits:
    began = time.perf_counter()
    server = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    seen: Waits = {}

    def mark(what: str) -> None:
        used = psutil.Process(server.pid).cpu_times()
        seen[what] = time.perf_counter() - began, used.user + used.system

    try:
        assert server.stdout
        address = server.stdout.readline().split()[0]
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            client.get("/").raise_for_status()
            mark("the page answers")
            client.get("/search", params={"query": query, "systems": "bm25"}).raise_for_status()
            mark("the first search is answered")
            client.get("/search", params={"query": query, "systems": "bm25"}).raise_for_status()
            mark("the second search is answered")
    finally:
        server.terminate()
        server.wait()
    return seen


if __name__ == "__main__":
    main()
