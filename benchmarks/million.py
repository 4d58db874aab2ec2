"""A million passages from texts to search: seconds, throughput, peak memory and disk of each step.

    python benchmarks/million.py --passages 1000000 --queries 1000

Passages are synthetic, of 10 words on average (see benchmarks/collection.py). The model is a `dot` with one layer of
the backbone, untrained. Each stage is a process, as in the pipeline. A search is from query vectors to passage ids:
all queries at once, and the median of single ones. Recall is the share of the exact ten that an index finds.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from collection import measured, some_texts, write_collection
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.evaluation.latency import machine
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.inputs import ragged_ids
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.data import Backbone, Tokens

PRESET = Path(__file__).parents[1] / "presets" / "aws-api-docs.yaml"
MEAN_LENGTH, DEPTH, SINGLE = 10, 10, 100
LENGTHS = Tokens(query_length=16, passage_length=24)
# Indexes are built of taught students, so the model has the name of one.
MODEL = "dot-T1"
INDEXES: dict[str, dict[str, Any]] = {
    "dot-hnsw": {"of": "dot", "kind": "hnsw", "links": 16, "build_width": 40, "search_width": 64},
    "dot-ivf": {"of": "dot", "kind": "ivf", "lists": 1024, "probes": 16},
    "dot-sq8": {"of": "dot", "kind": "sq8"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--lists", type=int, default=1024, help="of the inverted file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        folder = Path(temporary).resolve()
        write_collection(folder, asked.passages, 2, 0, MEAN_LENGTH)
        write_params(folder, asked.lists)
        write_model(folder / layout.MODELS / MODEL)
        console = Console(width=110)
        console.print(build(folder, asked.passages))
        console.print(search(folder, asked.queries))


def build(folder: Path, passages: int) -> Table:
    """Runs the stages, each in a process of its own."""
    table = Table("stage", "seconds", "passages per second", "GiB of memory", "GB on disk", title=machine())
    stages = {"collect": layout.COLLECTION, "tokenize": layout.TOKENS, f"encode {MODEL}": layout.VECTORS / MODEL}
    stages |= {f"index {name}-T1": layout.INDEXES / f"{name}-T1" for name in INDEXES}
    for stage, output in stages.items():
        seconds, memory = measured(stage, folder)
        size = sum(file.stat().st_size for file in (folder / output).rglob("*")) / 1e9
        cells = f"{seconds:.0f}", f"{passages / seconds:,.0f}", f"{memory / 2**20:.1f}", f"{size:.2f}"
        table.add_row(stage, *cells)
        print(stage, *cells, flush=True)
    return table


def search(folder: Path, queries: int) -> Table:
    """Searches the vectors exactly, and by each index."""
    vectors = encoded_queries(folder / layout.MODELS / MODEL, queries)
    table = Table("search", "queries per second", "single, ms", "recall@10", title=f"{queries:,} queries")
    best = DenseIndex.read(folder / layout.VECTORS / MODEL)
    exact = searched(best, vectors)
    for name in ("exact", *INDEXES):
        index = best if name == "exact" else DenseIndex.read(folder / layout.INDEXES / f"{name}-T1")
        rate, single, run = timed(index, vectors)
        found = len(run.join(exact, on=["query_id", "passage_id"])) / len(exact)
        table.add_row(name, f"{rate:,.0f}", f"{single:.2f}", f"{found:.3f}")
    return table


def timed(index: DenseIndex, vectors: Vectors) -> tuple[float, float, pl.DataFrame]:
    """Queries per second, the better of two; the median milliseconds of a single one; and the run."""
    rates, alone = [], []
    for _ in range(2):
        began = time.perf_counter()
        run = searched(index, vectors)
        rates.append(len(vectors) / (time.perf_counter() - began))
    for row in range(min(SINGLE, len(vectors))):
        began = time.perf_counter()
        searched(index, vectors[row : row + 1])
        alone.append(time.perf_counter() - began)
    return max(rates), float(np.median(alone)) * 1000, run


def searched(index: DenseIndex, vectors: Vectors) -> pl.DataFrame:
    return index.search(pl.Series([f"{number:06}" for number in range(len(vectors))]), vectors, DEPTH)


def encoded_queries(model: Path, queries: int) -> Vectors:
    """Vectors of queries of six words on average."""
    ranker, tokenizer = load_ranker(model), TextTokenizer(model)
    texts = some_texts(np.random.default_rng(1), queries, 6)
    stored = ragged_ids(texts, LENGTHS.query_length, tokenizer)
    rows, pad = np.arange(queries), tokenizer.special_tokens.pad
    return encode_vectors(ranker.encode_queries, stored, rows, pad, ranker.device)


def write_model(directory: Path) -> None:
    """A dense ranker with the backbone's lowest layer."""
    backbone = locate_backbone(Backbone(model="minilm", sha256=None))
    params = DotParams(layers=1, pooling="mean", normalise=True)
    with whole_directory(directory, Path(sys.argv[0]).name, {}, []) as draft:
        begin_ranker(params, pretrained(backbone), LENGTHS, TextTokenizer(backbone)).save_pretrained(draft.path)
        copy_tokenizer(backbone, draft.path)


def write_params(folder: Path, lists: int) -> None:
    """Writes the default params with this collection, one student and its indexes."""
    yaml = YAML(typ="safe", pure=True)
    splits = {one: {"queries": f"queries.{one}.tsv", "qrels": f"qrels.{one}.tsv"} for one in ("train", "test")}
    params = yaml.load(PRESET)
    student = params["students"]["dot"]
    student["ranker"] = {"architecture": "dot", "layers": 1, "pooling": "mean", "normalise": True}
    del student["training"]["part_learning_rates"]
    params |= {
        "collection": {"source": "tsv", "location": str(folder), "passages": "collection.tsv", "splits": splits},
        "unlabelled": None,
        "tokens": LENGTHS.model_dump(),
        "students": {"dot": student},
        "matrix": {"teachers": ["T1"], "controls": ["dot"]},
        "indexes": {"dot": {"kind": "flat"}} | INDEXES | {"dot-ivf": INDEXES["dot-ivf"] | {"lists": lists}},
        "systems": {},
    }
    params["report"] |= {"expected": []}
    yaml.dump(params, folder / "params.yaml")


if __name__ == "__main__":
    main()
