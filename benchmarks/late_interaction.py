"""MaxSim against sentence-transformers' `maxsim`: the same vectors, the same machine, one run.

    python benchmarks/late_interaction.py [--passages 5000] [--queries 50] [--candidates 100] [--rounds 3] [--width 128]

(a) Re-ranking each query's candidates, from a passage store of float16 and of int8, against `maxsim` over the vectors
of these candidates in memory, as float32. (b) Searching all passages exactly. (c) Searching by PLAID, with the share of
the best ten that it finds. Vectors have length 1 and lie around as many directions as there are word pieces. Passages
have 20 to 120 vectors, queries 8 to 24. Each figure is the best of several rounds, in which all take turns.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from sentence_transformers.util.similarity import maxsim
from torch import Tensor

from distilrank.evaluation.latency import machine
from distilrank.rankers.base import Encoded, Ranker, RankerConfig
from distilrank.rankers.colbert.model import ColbertRanker
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.retrieval.encodings import Encodings
from distilrank.retrieval.forms import Numbers, VectorsForm
from distilrank.retrieval.maxsim import search_all
from distilrank.retrieval.passage_store import PassageStore
from distilrank.retrieval.plaid import PlaidIndex
from distilrank.retrieval.reranking import rerank_from_store

DIRECTIONS, DEPTH = 2_000, 10
BACKBONE = {
    "model_type": "bert", "vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    "intermediate_size": 8, "max_position_embeddings": 64,
}  # fmt: skip


def vectors(number: int, shortest: int, longest: int, width: int, seed: int) -> list[Tensor]:
    """Vectors of length 1 around common directions, for as many texts as asked for."""
    random, about = np.random.default_rng(seed), np.random.default_rng(0).standard_normal((DIRECTIONS, width))
    lengths = random.integers(shortest, longest + 1, number)
    drawn = about[random.integers(0, DIRECTIONS, lengths.sum())] + 0.7 * random.standard_normal((lengths.sum(), width))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return list(torch.split(torch.from_numpy(drawn.astype(np.float32)), lengths.tolist()))


def encodings(texts: list[Tensor], numbers: Numbers) -> Encodings:
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    mask = torch.arange(padded.shape[1]) < torch.tensor([len(text) for text in texts]).unsqueeze(1)
    return Encodings.of(Encoded(padded, mask), VectorsForm(numbers))


def store_of(texts: list[Tensor], numbers: Numbers) -> PassageStore:
    encoded = encodings(texts, numbers)
    return PassageStore(encoded.stored, encoded.form, pl.Series([f"p{row:08}" for row in range(len(texts))]))


def ranker(width: int) -> Ranker:
    """A ColBERT whose vectors are given, so its layers never run."""
    entry = ColbertParams(layers=1, dimension=width, normalise=True).model_dump()
    made = ColbertRanker(RankerConfig(ranker=entry, backbone=BACKBONE, query_length=8, passage_length=8))
    made.train(False)
    return made


def fastest(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least seconds of each way over the rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: min(times) for name, times in seconds.items()}


def table(title: str, seconds: dict[str, float], unit: str, count: int) -> Table:
    peer = seconds["sentence-transformers"]
    shown = Table("", "seconds", f"{unit} per second", "ratio", title=title)
    for name, taken in seconds.items():
        shown.add_row(name, f"{taken:.3f}", f"{count / taken:,.0f}", f"{peer / taken:.2f}")
    return shown


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("passages", 5000), ("queries", 50), ("candidates", 100), ("rounds", 3), ("width", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    console, model = Console(), ranker(given.width)
    passages = vectors(given.passages, 20, 120, given.width, 1)
    queries = vectors(given.queries, 8, 24, given.width, 2)
    query_ids = pl.Series([f"q{row:08}" for row in range(given.queries)])
    asked, half, whole = encodings(queries, "float32"), store_of(passages, "float16"), store_of(passages, "int8")
    drawn = np.random.default_rng(3).integers(0, given.passages, (given.queries, given.candidates))
    candidates = pl.DataFrame({
        "query_id": query_ids.gather(np.repeat(np.arange(given.queries), given.candidates)),
        "passage_id": half.passage_ids.gather(drawn.ravel()),
    })  # fmt: skip
    console.print(f"{given.passages:,} passages, {given.queries} queries, vectors of {given.width}; {machine()}")

    def peer_reranks() -> list[Tensor]:
        return [maxsim(query, [passages[row] for row in rows])[0] for query, rows in zip(queries, drawn, strict=True)]

    def reranks(store: PassageStore) -> pl.DataFrame:
        return rerank_from_store(model, query_ids, asked, store, candidates)

    reference = torch.cat(peer_reranks()).numpy()
    for name, store in (("float16", half), ("int8", whole)):
        off = np.abs(reranks(store)["score"].to_numpy() - reference).max()
        console.print(f"{name}: {store.bytes_per_text():,.0f} bytes per passage; scores differ by at most {off:.4f}")
    ways: dict[str, Callable[[], object]] = {
        "sentence-transformers": peer_reranks,
        "distilrank, float16": lambda: reranks(half),
        "distilrank, int8": lambda: reranks(whole),
    }
    pairs = given.queries * given.candidates
    console.print(table("(a) re-ranking", fastest(ways, given.rounds), "pairs", pairs))
    with tempfile.TemporaryDirectory() as directory:
        plaid = PlaidIndex.build(half, Path(directory), "plaid")

        def search_by_plaid() -> pl.DataFrame:
            return plaid.search(model, query_ids, asked, DEPTH, probes=4, compared=256)

        ways = {
            "sentence-transformers": lambda: maxsim(queries, passages).topk(DEPTH),
            "distilrank, exact": lambda: search_all(model, query_ids, asked, half, DEPTH),
            "distilrank, PLAID": search_by_plaid,
        }
        console.print(table("(b) search, (c) PLAID", fastest(ways, given.rounds), "queries", given.queries))
        exact = search_all(model, query_ids, asked, half, DEPTH)
        found = len(exact.join(search_by_plaid(), on=["query_id", "passage_id"])) / len(exact)
        console.print(f"PLAID finds {found:.3f} of the best {DEPTH}")


if __name__ == "__main__":
    main()
