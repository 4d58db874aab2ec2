"""The time of a single query at `mlflow models serve`, against the same model in this process.

`python benchmarks/serving.py NAME`, from the root of a project that has the champion NAME in its registry, asks the
test queries one by one: to find ten passages, if the model has an index, and to re-rank BM25's best twenty.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from distilrank.artifacts import layout
from distilrank.data.collection import Collection
from distilrank.data.runs import read_trec
from distilrank.evaluation.latency import machine
from distilrank.mlflow_client import tracking_uri

WARM_UP, TOP_K, DEPTH = 20, 10, 20
Request = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a registered model with a champion, such as aws-api-docs.dot-T1")
    parser.add_argument("--queries", type=int, default=500)
    asked = parser.parse_args()
    mlflow.set_tracking_uri(tracking_uri())
    uri = f"models:/{asked.name}@champion"
    model = mlflow.pyfunc.load_model(uri)
    kinds = {f"re-rank {DEPTH}": rerank_requests(asked.queries)}
    if model.unwrap_python_model().model.index is not None:
        kinds[f"find {TOP_K}"] = find_requests(asked.queries)
    table = Table("", "", "p50, ms", "p99, ms", title=f"{asked.name}, {asked.queries} queries, {machine()}")
    with serving(uri) as ask:
        for kind, requests in kinds.items():
            served, here = times(ask, requests), times(lambda request: model.predict([request]), requests)
            for who, values in (("served", served), ("in this process", here)):
                table.add_row(kind, who, *(f"{np.percentile(values, share):.1f}" for share in (50, 99)))
            ratios = (np.percentile(served, share) / np.percentile(here, share) for share in (50, 99))
            table.add_row(kind, "ratio", *(f"{ratio:.2f}" for ratio in ratios))
    Console().print(table)


def find_requests(count: int) -> list[Request]:
    texts = Collection.read(layout.COLLECTION).queries_of("test")["text"]
    return [{"query": text, "top_k": TOP_K} for text in islice(cycle(texts), count)]


def rerank_requests(count: int) -> list[Request]:
    collection = Collection.read(layout.COLLECTION)
    run = read_trec(layout.run_of("bm25", "rerank")).join(collection.queries, on="query_id")
    whole = (pl.col("title") + " " + pl.col("text")).alias("passage")
    texts = collection.passages.collect().select("passage_id", whole)
    groups = [group for _, group in run.join(texts, on="passage_id").group_by("query_id", maintain_order=True)]
    every = [{"query": group["text"][0], "passages": group["passage"].head(DEPTH).to_list()} for group in groups]
    return list(islice(cycle(every), count))


def times(ask: Callable[[Request], object], requests: list[Request]) -> list[float]:
    """The milliseconds of each request, after some warm-up requests."""
    for request in requests[:WARM_UP]:
        ask(request)
    spent = []
    for request in requests:
        began = time.perf_counter()
        ask(request)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


@contextmanager
def serving(uri: str) -> Iterator[Callable[[Request], object]]:
    """Starts a server of the model, and yields the function that asks it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "-p", str(port)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri(), "PATH": path}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(600):
                with suppress(httpx.TransportError):
                    if client.get("/ping").is_success:
                        break
                time.sleep(0.1)

            def ask(request: Request) -> object:
                answer = client.post("/invocations", content=json.dumps({"inputs": [request]}),
                                     headers={"Content-Type": "application/json"})  # fmt: skip
                return answer.raise_for_status()

            yield ask
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    main()
