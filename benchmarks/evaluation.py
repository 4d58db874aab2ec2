"""A million test pairs through `distilrank evaluate` by a dot, a colbert and a cat: time, memory, and a kill half way.

    python benchmarks/evaluation.py [--queries 1000] [--depth 1000] [--passages 20000] [--words 16] [--rankers dot cat]

The texts are random words, the candidates are drawn by lot, and each ranker has one layer of the backbone, so that the
evaluation itself is measured. Once half of the pairs are in the score store, the process is killed (SIGKILL) and
started again. A dense ranker scores no pairs. It is killed once it has encoded a block of passages, and goes on after
that block. Prints the seconds and the peak memory of both processes.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.hub import BUNDLED
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.evaluation.latency import machine
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.scoring.store import ROOT as STORE
from distilrank.sections.data import Backbone

RANKERS: dict[str, dict[str, Any]] = {
    "dot": {"architecture": "dot", "layers": 1, "pooling": "mean"},
    "colbert": {"architecture": "colbert", "layers": 1, "dimension": 128},
    "cat": {"architecture": "cat", "layers": 1},
}
BACKBONE = Backbone(model=BUNDLED, sha256=None)
# The files that show that a dense ranker has encoded a block.
ENCODED = "evaluate-*/*/vectors/done.json"
console = Console(width=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"queries": 1000, "depth": 1000, "passages": 20_000, "words": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--rankers", nargs="+", choices=RANKERS, default=[*RANKERS])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        prepare(asked)
        pairs = asked.queries * asked.depth
        show({ranker: measured(ranker, pairs) for ranker in asked.rankers}, pairs)


def prepare(asked: argparse.Namespace) -> None:
    """Makes a project of random texts in the working directory, with untrained rankers of one layer."""
    write_collection(Path("texts"), asked)
    params = Params.model_validate(params_of(asked))
    Path("params.yaml").write_text(params.model_dump_json())
    for stage in ("collect", "tokenize", "candidates"):
        run(stage)
    for name in asked.rankers:
        ranker = begin_ranker(
            params.students[name].ranker,
            pretrained(locate_backbone(params.backbone)),
            params.tokens,
            TextTokenizer(layout.TOKENS),
        )
        with whole_directory(layout.MODELS / name, "benchmarks/evaluation.py", {}, []) as draft:
            ranker.save_pretrained(draft.path)
            copy_tokenizer(layout.TOKENS, draft.path)


def params_of(asked: argparse.Namespace) -> dict[str, Any]:
    training = {"steps": 1, "batch_size": 1, "learning_rate": 1e-5, "validate_every": 1, "patience": None, "seed": 1}
    student = {"loss": {"name": "margin-mse"}, "control_loss": {"name": "ranknet"}, "training": training}
    return {
        "collection": {"source": "beir", "location": "texts", "splits": {"test": "test"}},
        "backbone": BACKBONE.model_dump(),
        "tokens": {"query_length": 16, "passage_length": 2 * asked.words},
        "candidates": {"depth": asked.depth, "train_depth": 50, "runs": [{"location": "run.trec", "checksum": None}]},
        "triples": {"bm25": {"negatives_from": 10}},
        "imports": {"T": {"location": "scores.tsv", "checksum": None}},
        "students": {
            name: {**student, "ranker": ranker} for name, ranker in {**RANKERS, "indexed": RANKERS["dot"]}.items()
        },
        "matrix": {
            "teachers": ["T"],
            "controls": [*RANKERS, "indexed"],
            "controls_per_teacher": [],
            "seeds": [],
        },
        "indexes": {"indexed": {"kind": "flat"}},
        "validation": {"depth": 10},
        "evaluation": {"depth": asked.depth},
        "promotion": {"floors": {"rerank": {"nDCG@10": 0.0}}},
    }


def write_collection(folder: Path, asked: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    words = np.array([one for one in TextTokenizer(locate_backbone(BACKBONE)).vocabulary() if one.isalpha()])
    (folder / "qrels").mkdir(parents=True)
    for file, number, length in (("corpus", asked.passages, asked.words), ("queries", asked.queries, 5)):
        texts = (" ".join(one) for one in words[random.integers(0, len(words), (number, length))])
        lines = (json.dumps({"_id": f"{row:07}", "text": text}) for row, text in enumerate(texts))
        (folder / f"{file}.jsonl").write_text("\n".join(lines))
    qrels, candidates = [], []
    for query in range(asked.queries):
        drawn = random.choice(asked.passages, asked.depth, replace=False)
        qrels.append(f"{query:07}\t{drawn[0]:07}\t1")
        candidates += [f"{query:07} Q0 {one:07} {rank + 1} {-rank} lot" for rank, one in enumerate(drawn)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *qrels]))
    Path("run.trec").write_text("\n".join(candidates) + "\n")


def measured(ranker: str, pairs: int) -> dict[str, float]:
    shutil.rmtree(STORE, ignore_errors=True)
    began, first = time.perf_counter(), start(ranker)
    while first.poll() is None and stored() < pairs / 2 and not any(Path(".work").glob(ENCODED)):
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    _, _, usage = os.wait4(first.pid, 0)
    before, kept = time.perf_counter() - began, stored()
    after, memory = finished(start(ranker))
    return {"before": before, "kept": kept, "after": after, "memory": max(memory, usage.ru_maxrss / 2**20)}


def stored() -> int:
    """How many pairs are in the score store."""
    return sum(pl.scan_parquet(part).select(pl.len()).collect().item() for part in STORE.glob("*/*.parquet"))


def start(ranker: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "distilrank", "evaluate", ranker], stdout=subprocess.DEVNULL)


def finished(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Waits for a process; returns its seconds from now on, and its peak memory in GiB."""
    began = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the evaluation ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, usage.ru_maxrss / 2**20


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "distilrank", *words], check=True, stdout=subprocess.DEVNULL)


def show(measurements: Mapping[str, Mapping[str, float]], pairs: int) -> None:
    table = Table("ranker", "seconds to the kill", "pairs kept", "seconds after it", "pairs/s, of all", "GiB")
    for ranker, one in measurements.items():
        seconds = one["before"] + one["after"]
        figures = f"{one['before']:.0f}", f"{one['kept']:,.0f}", f"{one['after']:.0f}", f"{pairs / seconds:,.0f}"
        table.add_row(ranker, *figures, f"{one['memory']:.2f}")
    console.print(f"{pairs:,} pairs, on {machine()}")
    console.print(table)


if __name__ == "__main__":
    main()
