"""The first stages on a synthetic collection in MS MARCO's form: seconds, throughput and peak memory of each.

    python benchmarks/collection.py --passages 2000000 --triples 10000000 --queries 2000

Passages have 55 words on average, from 300,000 words with the frequencies of a natural language (Zipf's law). Each
stage is a process, as in the pipeline. Triples are given, like MS MARCO's. Half of the queries are for training.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from distilrank.data.backbone import locate_backbone
from distilrank.data.tokenizer import TextTokenizer
from distilrank.sections.data import Backbone

WORDS, MEAN_LENGTH, AT_ONCE = 300_000, 55, 20_000
PARAMS = Path(__file__).parents[1] / "presets" / "aws-api-docs.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=2_000_000)
    parser.add_argument("--triples", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=2_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        folder = Path(temporary).resolve()
        began = time.perf_counter()
        write_collection(folder, asked.passages, asked.queries, asked.triples, MEAN_LENGTH)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e9
        print(f"written: {size:.1f} GB in {time.perf_counter() - began:.0f} s", flush=True)
        write_params(folder)
        table = Table("stage", "rows", "seconds", "per second", "GiB at most", title=f"{asked.passages:,} passages")
        for column in table.columns[1:]:
            column.justify = "right"
        for stage, rows in (
            ("collect", asked.passages),
            ("tokenize", asked.passages),
            ("candidates", asked.passages),
            ("triples given", asked.triples),
        ):
            seconds, memory = measured(stage, folder)
            table.add_row(stage, f"{rows:,}", f"{seconds:.0f}", f"{rows / seconds:,.0f}", f"{memory / 2**20:.1f}")
        Console().print(table)


def measured(stage: str, folder: Path) -> tuple[float, int]:
    """The seconds and the peak resident memory in KiB of a distilrank command in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen([Path(sys.executable).with_name("distilrank"), *stage.split()], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{stage} failed")
    return time.perf_counter() - began, usage.ru_maxrss


def write_params(folder: Path) -> None:
    """Writes the default params with another collection, lengths like MS MARCO's, and given triples."""
    yaml = YAML(typ="safe", pure=True)
    splits = {one: {"queries": f"queries.{one}.tsv", "qrels": f"qrels.{one}.tsv"} for one in ("train", "test")}
    triples = {"location": str(folder / "triples.tsv"), "checksum": None, "columns": "ids", "count": None}
    params = yaml.load(PARAMS) | {
        "collection": {"source": "tsv", "location": str(folder), "passages": "collection.tsv", "splits": splits},
        "unlabelled": None,
        "tokens": {"query_length": 30, "passage_length": 200},
        "triples": {"given": triples},
    }
    yaml.dump(params, folder / "params.yaml")


def write_collection(folder: Path, passages: int, queries: int, triples: int, mean_length: int) -> None:
    """Writes passages of `mean_length` words, queries with a relevant passage each, and triples drawn by lot."""
    random = np.random.default_rng(0)
    with (folder / "collection.tsv").open("w") as file:
        for start in range(0, passages, AT_ONCE):
            texts = some_texts(random, min(AT_ONCE, passages - start), mean_length)
            file.writelines(f"{number}\t{text}\n" for number, text in enumerate(texts, start))
    for split in ("train", "test"):
        texts = some_texts(random, queries // 2, 6)
        ids = [f"{split}{number}" for number in range(queries // 2)]
        write_lines(folder / f"queries.{split}.tsv", (f"{id_}\t{text}" for id_, text in zip(ids, texts, strict=True)))
        relevant = random.integers(passages, size=len(ids))
        write_lines(folder / f"qrels.{split}.tsv", (f"{id_} 0 {row} 1" for id_, row in zip(ids, relevant, strict=True)))
    with (folder / "triples.tsv").open("w") as file:
        for start in range(0, triples, 500_000):
            number = min(500_000, triples - start)
            columns = [random.integers(most, size=number) for most in (queries // 2, passages, passages)]
            file.writelines(f"train{query}\t{one}\t{other}\n" for query, one, other in zip(*columns, strict=True))


def write_lines(file: Path, lines: Iterator[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def some_texts(random: np.random.Generator, number: int, mean_length: int) -> list[str]:
    lengths = 1 + random.poisson(mean_length - 1, number)
    words = VOCABULARY[np.searchsorted(CUMULATIVE, random.random(lengths.sum()))]
    ends = np.cumsum(lengths)
    return [" ".join(words[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def vocabulary() -> np.ndarray:
    """The words, most frequent first: the backbone's whole words, then pairs of them."""
    known = TextTokenizer(locate_backbone(Backbone(model="minilm", sha256=None))).vocabulary()
    whole = [word for word in known if word.isascii() and word.isalpha()]
    random = np.random.default_rng(1)
    rest = random.integers(len(whole), size=(WORDS - len(whole), 2))
    return np.array(whole + [whole[one] + whole[other] for one, other in rest], object)


VOCABULARY = vocabulary()
CUMULATIVE = np.cumsum(1 / np.arange(10, WORDS + 10))
CUMULATIVE /= CUMULATIVE[-1]


if __name__ == "__main__":
    main()
