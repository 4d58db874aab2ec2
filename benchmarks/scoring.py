"""Teacher scoring against sentence-transformers' CrossEncoder.predict: same pairs, same weights, same machine, one run.

    python benchmarks/scoring.py [--queries 60] [--negatives 20] [--rounds 3] [--model DIRECTORY | --layers 6]

(a) Triples as given, in which each query's positive recurs with each of its negatives. The CrossEncoder scores all
pairs of them. Ours goes from the ids of texts through an empty score store to labelled triples. (b) Unique pairs, for
both. The CrossEncoder runs with its default batch size and with the best of several; ours chooses its own. Each figure
is the best of several rounds, in which both take turns. Without a model, the backbone with a fresh head is the teacher,
because times do not depend on what it learned. Passages are cut to their first 48 words beforehand, so that neither
side cuts any. torch's profiler shows what bounds ours.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table
from sentence_transformers import CrossEncoder

from distilrank.conversion.export import export_model
from distilrank.data.backbone import locate_backbone
from distilrank.data.batches import batches_by_length
from distilrank.data.collection import Collection
from distilrank.data.intake import take_in
from distilrank.data.query_ranges import query_ranges
from distilrank.data.sources.aws_api_docs import AwsApiDocs
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_by_range, pairs_of
from distilrank.evaluation.latency import machine
from distilrank.labels.labels import FILE, read_labels, scores_of, write_labels
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.inputs import ragged_ids, stored_batch
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.retrieval.bm25 import BM25
from distilrank.scoring.batch_size import measured_tokens_per_batch
from distilrank.scoring.missing import score_missing
from distilrank.scoring.parts import PairsToScore, ScoredPairs, begin_scoring
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import scan_scores, write_scores
from distilrank.scoring.store import ScoreStore, scorer_of
from distilrank.sections.data import Backbone, Candidates, Tokens
from distilrank.workers.local import in_this_process
from distilrank.workers.work import Each, Work

LENGTHS = Tokens(query_length=64, passage_length=400)
WORDS = 48
BATCH_SIZES = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Task:
    """Triples of one negative each, their texts and tokens, and the teacher's directory."""

    triples: pl.DataFrame
    queries: dict[str, str]
    passages: dict[str, str]
    tokens: TokenStore
    model: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--negatives", type=int, default=20, help="of each query, each in a triple of its own")
    parser.add_argument("--services", nargs="+", help="whose operations are passages; else all services'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a trained cat ranker")
    parser.add_argument("--layers", type=int, default=6, help="of the teacher, where no model is given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        compare(prepare(Path(temporary), asked), Path(temporary), asked.rounds)


def prepare(directory: Path, asked: argparse.Namespace) -> Task:
    """The embedded collection's first queries in an order as if by lot, with BM25's best as negatives."""
    services: Literal["all"] | list[str] = asked.services or "all"
    source = AwsApiDocs(source="aws-api-docs", services=services, minimum_words=12, dev_share=0.02, test_share=0.02)
    take_in(source.opened(), directory, None, None)
    collection = Collection.read(directory)
    chosen = collection.queries.sample(asked.queries, seed=1).sort("query_id")
    triples = drawn(collection, chosen, asked.negatives)
    model: Path | None = asked.model
    backbone = model or locate_backbone(Backbone(model="minilm", sha256=None))
    tokenizer = TextTokenizer(backbone)
    texts = [" ".join(text.split()[:WORDS]) for some in collection.passage_texts() for text in some]
    passages = dict(zip(collection.passage_ids(), texts, strict=True))
    tokens = TokenStore(
        ragged_ids(chosen["text"].to_list(), LENGTHS.query_length, tokenizer),
        ragged_ids(list(passages.values()), LENGTHS.passage_length, tokenizer),
        chosen["query_id"],
        collection.passage_ids(),
        tokenizer.special_tokens,
    )
    if model is None:
        torch.manual_seed(0)
        model = directory / "teacher"
        params = CatParams(layers=asked.layers)
        begin_ranker(params, pretrained(backbone), LENGTHS, tokenizer).save_pretrained(model)
        copy_tokenizer(backbone, model)
    return Task(triples, dict(chosen.select("query_id", "text").iter_rows()), passages, tokens, model)


def drawn(collection: Collection, queries: pl.DataFrame, negatives: int) -> pl.DataFrame:
    bm25 = BM25(
        collection.passage_ids(),
        collection.passage_texts(),
        Candidates(depth=100, k1=1.5, b=0.75),
    )
    run = bm25.search(queries["query_id"].to_list(), queries["text"].to_list(), negatives + 5)
    positives = collection.qrels.select("query_id", positive_id="passage_id")
    others = run.join(positives, left_on=["query_id", "passage_id"], right_on=["query_id", "positive_id"], how="anti")
    first = others.group_by("query_id", maintain_order=True).head(negatives)
    triples = first.join(positives, on="query_id").select(
        "query_id", "positive_id", negative_ids=pl.concat_list("passage_id")
    )
    return triples.sample(fraction=1.0, shuffle=True, seed=2)


def compare(task: Task, directory: Path, rounds: int) -> None:
    console = Console(width=110)
    pairs = pairs_of(task.triples.lazy())
    as_given = pl.concat(
        [
            task.triples.select("query_id", passage_id="positive_id"),
            task.triples.select("query_id", passage_id=pl.col("negative_ids").list.first()),
        ]
    )
    lengths = task.tokens.passages.lengths(task.tokens.passage_rows(pairs["passage_id"]))
    console.print(
        f"{machine()}, torch {torch.__version__} on {torch.get_num_threads()} threads; {len(task.triples):,} triples, "
        f"{len(pairs):,} unique pairs, passages of {lengths.mean():.0f} tokens"
    )
    export_model(task.model, directory / "cross-encoder")
    cross_encoder = CrossEncoder(str(directory / "cross-encoder"), device="cpu")
    tuned = tune(cross_encoder, task, pairs, console)

    with in_this_process(Work(begin_scoring, task.model)) as each:
        budget = measured_tokens_per_batch(each, pairs, task.tokens, "float32")
        console.print(f"ours: batches of {budget} tokens, by measurement")
        runs: dict[str, Callable[[], np.ndarray]] = {
            "a ours": lambda: ours_labels(task, each, directory),
            "a tuned": lambda: predict(cross_encoder, task, as_given, tuned),
            "a default": lambda: predict(cross_encoder, task, as_given, 32),
            "b ours": lambda: ours(task, each, pairs, budget),
            "b tuned": lambda: predict(cross_encoder, task, pairs, tuned),
            "b default": lambda: predict(cross_encoder, task, pairs, 32),
        }
        seconds, scores = best_of(runs, rounds)
    show(console, seconds, scores, len(task.triples), len(pairs), tuned)
    show_bounds(console, task, pairs, budget)


def tune(cross_encoder: CrossEncoder, task: Task, pairs: pl.DataFrame, console: Console) -> int:
    """The CrossEncoder's best batch size on some of the pairs."""
    some = pairs.sample(min(len(pairs), 256), seed=0)
    rates = {}
    for size in BATCH_SIZES:
        predict(cross_encoder, task, some.head(64), size)
        began = time.perf_counter()
        predict(cross_encoder, task, some, size)
        rates[size] = len(some) / (time.perf_counter() - began)
    told = ", ".join(f"{size}: {rate:.0f}" for size, rate in rates.items())
    console.print(f"CrossEncoder, pairs per second by batch size: {told}")
    return max(rates, key=lambda size: rates[size])


def predict(cross_encoder: CrossEncoder, task: Task, pairs: pl.DataFrame, batch_size: int) -> np.ndarray:
    texts = [(task.queries[query], task.passages[passage]) for query, passage in pairs.iter_rows()]
    return np.asarray(
        cross_encoder.predict(texts, batch_size=batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    )


def ours(task: Task, each: Each[PairsToScore, ScoredPairs], pairs: pl.DataFrame, budget: int) -> np.ndarray:
    (scored,) = each([PairsToScore.cut("all", pairs, task.tokens, "float32", budget)])
    return scored.scores


def ours_labels(task: Task, each: Each[PairsToScore, ScoredPairs], directory: Path) -> np.ndarray:
    """Our scores through an empty store, in the CrossEncoder's order: the triples' positives, then negatives."""
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        place = Path(temporary)
        task.triples.write_parquet(place / "triples.parquet")
        triples = pl.scan_parquet(place / "triples.parquet")
        known, ranges = KnownPairs(pairs_by_range(triples), task.tokens), query_ranges(triples, 2_000_000)
        with ScoreStore.opened(scorer_of(task.model, "float32"), place / "store") as store:
            plan = Plan.made(place / "plan", known, ranges, store, 4096)
            score_missing(store, plan, each, task.tokens, "float32", "a ranker")
            write_scores(place, known, ranges, store)
        scores = scan_scores(place)
        write_labels(place / FILE, place / "triples.parquet", ranges, lambda queries: queries.of(scores).collect())
        return scores_of(read_labels(place)).T.ravel()


def best_of(runs: dict[str, Callable[[], np.ndarray]], rounds: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The least seconds of each run over the rounds, in which they take turns, and what each computed."""
    seconds = dict.fromkeys(runs, float("inf"))
    scores = {}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            scores[name] = run()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds, scores


def show(
    console: Console,
    seconds: dict[str, float],
    scores: dict[str, np.ndarray],
    triples: int,
    pairs: int,
    tuned: int,
) -> None:
    table = Table("", "seconds", "per second", "ours is faster by", "scores differ by at most")
    for part, count, what in (("a", triples, "triples as given"), ("b", pairs, "unique pairs")):
        for kind, title in (
            ("ours", "ours"),
            ("tuned", f"CrossEncoder, {tuned} a batch"),
            ("default", "CrossEncoder, 32"),
        ):
            name = f"{part} {kind}"
            apart = np.abs(scores[name] - scores[f"{part} ours"]).max()
            own = kind == "ours"
            table.add_row(
                f"({part}) {what}: {title}",
                f"{seconds[name]:.2f}",
                f"{count / seconds[name]:.1f}",
                "" if own else f"{seconds[name] / seconds[f'{part} ours']:.2f} x",
                "" if own else f"{apart:.1e}",
            )
    console.print(table)


def show_bounds(console: Console, task: Task, pairs: pl.DataFrame, budget: int) -> None:
    """Shows the shares of our time by kind of operation, on one thread so that they add up, and the tokenizer's."""
    from torch.profiler import ProfilerActivity, profile

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ranker, some = load_ranker(task.model), pairs.sample(min(len(pairs), 256), seed=0)
    tokens = task.tokens
    rows = (tokens.query_rows(some["query_id"]), tokens.passage_rows(some["passage_id"]))
    lengths = tokens.queries.lengths(rows[0]) + tokens.passages.lengths(rows[1]) + SPECIAL_TOKENS
    batches = list(batches_by_length(lengths, budget))
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)

    def score() -> None:
        for batch in batches:
            queries, passages = (
                stored_batch(stored, own[batch], tokens.special_tokens.pad)
                for stored, own in zip((tokens.queries, tokens.passages), rows, strict=True)
            )
            ranker.score(queries, passages)

    with torch.inference_mode():
        score()
        # score_pairs is not called, because the profiler sees only one thread.
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            score()
            seconds = time.perf_counter() - began
    torch.set_num_threads(threads)
    kinds = {"matrix products": ("addmm", "aten::mm", "bmm"), "attention": ("scaled_dot_product",), "GELU": ("gelu",)}
    spent = {
        kind: sum(event.self_cpu_time_total for event in profiled.key_averages() if any(n in event.key for n in names))
        for kind, names in kinds.items()
    }
    tokenizer = TextTokenizer(task.model)
    began = time.perf_counter()
    tokenizer.ids([task.queries[query] + task.passages[passage] for query, passage in some.iter_rows()])
    spared = time.perf_counter() - began
    shares = {kind: value / 1e6 / seconds for kind, value in spent.items()}
    shares["all else"] = 1 - sum(shares.values())
    told = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())
    console.print(
        f"Our time on one thread: {told}. Padding: {1 - lengths.sum() / padded:.1%} of the tokens. "
        f"Tokenizing the same pairs would add {spared / seconds:.0%}."
    )


if __name__ == "__main__":
    main()
