"""Encoding passages against sentence-transformers' `encode`: same passages, weights, lengths and machine, one run.

    python benchmarks/encoding.py [--datasets ../shared/datasets] [--passages 400] [--rounds 3] [--layers 6]

Both sides go from texts to vectors, so that each tokenizes. Passages are NQ's if the data sets are there, else the
embedded collection's, cut to 256 tokens. sentence-transformers runs with its default batch size and with the best of
several. Each figure is the best of several rounds, in which all take turns. The processor's peak is its rate in matrix
products of the backbone's sizes, which ours and theirs would reach if they did nothing else.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scoring import best_of
from sentence_transformers import SentenceTransformer

from distilrank.conversion.export import export_model
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.intake import take_in
from distilrank.data.sources.aws_api_docs import AwsApiDocs
from distilrank.data.sources.beir import Beir
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.evaluation.latency import machine
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.inputs import ragged_ids
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.data import Backbone, Tokens

LENGTHS = Tokens(query_length=30, passage_length=256)
BATCH_SIZES = (4, 8, 16, 32, 64)
DEFAULT = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--services", nargs="+", default="all", help="whose operations are passages without data sets")
    parser.add_argument("--passages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=6)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        texts = some_texts(Path(temporary) / "collection", asked)
        model = saved_model(Path(temporary) / "model", asked.layers)
        export_model(model, Path(temporary) / "exported")
        peer = SentenceTransformer(str(Path(temporary) / "exported"), device="cpu")
        compare(texts, load_ranker(model), TextTokenizer(model), peer, asked.rounds)


def some_texts(directory: Path, asked: argparse.Namespace) -> list[str]:
    """Passages drawn from a collection."""
    folder = asked.datasets / "nq-dev"
    if folder.is_dir():
        source: Beir | AwsApiDocs = Beir(source="beir", location=str(folder), on_error="drop")
    else:
        source = AwsApiDocs(
            source="aws-api-docs", services=asked.services, minimum_words=12, dev_share=0.02, test_share=0.02
        )
    directory.mkdir()
    take_in(source.opened(), directory, None, None)
    texts = [text for some in Collection.read(directory).passage_texts() for text in some]
    drawn = np.random.default_rng(0).permutation(len(texts))[: asked.passages]
    return [texts[row] for row in drawn]


def saved_model(directory: Path, layers: int) -> Path:
    """A dense ranker with the backbone's weights."""
    backbone = locate_backbone(Backbone(model="minilm", sha256=None))
    params = DotParams(layers=layers, pooling="mean")
    begin_ranker(params, pretrained(backbone), LENGTHS, TextTokenizer(backbone)).save_pretrained(directory)
    copy_tokenizer(backbone, directory)
    return directory


def compare(texts: list[str], ranker: Ranker, tokenizer: TextTokenizer, peer: SentenceTransformer, rounds: int) -> None:
    def ours() -> Vectors:
        stored = ragged_ids(texts, LENGTHS.passage_length, tokenizer)
        rows = np.arange(len(texts))
        return encode_vectors(ranker.encode_passages, stored, rows, tokenizer.special_tokens.pad, ranker.device)

    def theirs(size: int) -> Vectors:
        return np.asarray(peer.encode_document(texts, batch_size=size, show_progress_bar=False))

    seconds, vectors = best_of({"ours": ours} | {str(size): partial(theirs, size) for size in BATCH_SIZES}, rounds)
    tokens = ragged_ids(texts, LENGTHS.passage_length, tokenizer).lengths(np.arange(len(texts))) + SPECIAL_TOKENS - 1
    needed, most = operations(ranker, tokens), peak_rate(ranker)
    best = min(BATCH_SIZES, key=lambda size: seconds[str(size)])
    table = Table("", "passages per second", "ours is faster by", "share of the peak", "vectors differ by at most")
    titles = {
        "ours": "ours",
        str(best): f"SentenceTransformer, {best} a batch",
        str(DEFAULT): f"its default, {DEFAULT}",
    }
    for run, title in titles.items():
        apart = np.abs(vectors[run] - vectors["ours"]).max()
        faster, differ = ("", "") if run == "ours" else (f"{seconds[run] / seconds['ours']:.2f} x", f"{apart:.1e}")
        share = f"{needed / seconds[run] / most:.0%}"
        table.add_row(title, f"{len(texts) / seconds[run]:.1f}", faster, share, differ)
    console = Console(width=110)
    console.print(
        f"{machine()}, torch {torch.__version__} on {torch.get_num_threads()} threads; {len(texts):,} passages of "
        f"{tokens.mean():.0f} tokens; peak {most / 1e9:.0f} GFLOP/s"
    )
    console.print(table)


def operations(ranker: Ranker, tokens: np.ndarray) -> float:
    """Floating-point operations of the matrix products: 24 w² per layer and token, and 4 w n for attention over n."""
    width, feed, layers = (size_of(ranker, key) for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    return float(layers * (tokens * (8 * width**2 + 4 * width * feed + 4 * width * tokens)).sum())


def size_of(ranker: Ranker, key: str) -> int:
    """A number of the backbone's configuration."""
    assert ranker.config.backbone is not None
    return int(ranker.config.backbone[key])


def peak_rate(ranker: Ranker) -> float:
    """Operations per second of the feed-forward's product over 512 tokens, at the same time in as many threads as
    torch has, each on one core: the largest of five."""
    from concurrent.futures import ThreadPoolExecutor

    width, feed = size_of(ranker, "hidden_size"), size_of(ranker, "intermediate_size")
    threads, times = torch.get_num_threads(), 100

    def multiply(_: int) -> None:
        torch.set_num_threads(1)
        one, other = torch.randn(512, width), torch.randn(width, feed)
        for _ in range(times):
            torch.mm(one, other)

    rates: list[float] = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(multiply, range(threads)))
            rates.append(threads * times * 2 * 512 * width * feed / (time.perf_counter() - began))
    torch.set_num_threads(threads)
    return max(rates)


if __name__ == "__main__":
    main()
