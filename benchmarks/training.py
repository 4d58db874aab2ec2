"""Training with Margin-MSE against sentence-transformers' trainers: same triples, weights and lengths, one run.

    python benchmarks/training.py [--datasets ../shared/datasets] [--steps 40] [--batch-size 16] [--rounds 2]

`dot` is compared with SentenceTransformerTrainer, `cat` with CrossEncoderTrainer, each with its own MarginMSELoss.
Texts are whole, up to 256 tokens per passage. They are NQ's if the data sets are there, else the embedded collection's.
The teacher's score of a pair is the number of words that query and passage share, so that both sides have something to
learn. A rate is triples per second after the warm-up, with everything included: layout, forward, backward, optimiser.
It is the best of several rounds, in which both take turns. torch's profiler, on one thread, shows what bounds ours.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import PrinterCallback

from distilrank.conversion.export import export_model
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.intake import take_in
from distilrank.data.ragged import StoredTexts, TripleRows
from distilrank.data.sources.aws_api_docs import AwsApiDocs
from distilrank.data.sources.beir import Beir
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.evaluation.latency import machine
from distilrank.gpu_check.timed_training import Clock, peer_trainer, steps_per_second
from distilrank.losses import MarginMSE
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.inputs import ragged_ids
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.rankers.params import RankerParams
from distilrank.sections.data import Backbone, Tokens
from distilrank.sections.training import Training
from distilrank.training.batches import TripleDataset
from distilrank.training.trainer import RankerTrainer, TrainingTask, training_arguments

LENGTHS = Tokens(query_length=30, passage_length=256)
RATE = 2e-5


@dataclass(frozen=True)
class Task:
    """Triples of one negative: their texts, as text and as tokens, and a teacher's scores (triples, 2)."""

    queries: list[str]
    passages: list[tuple[str, str]]
    dataset: TripleDataset
    teacher: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--services", nargs="+", help="whose operations are passages without data sets; else all")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--layers", type=int, default=6)
    asked = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as temporary:
        directory, backbone = Path(temporary), locate_backbone(Backbone(model="minilm", sha256=None))
        name, task = prepare(directory / "collection", asked, TextTokenizer(backbone))
        console.print(f"{machine()}, torch {torch.__version__} on {torch.get_num_threads()} threads; {name}")
        for params in (DotParams(layers=asked.layers, pooling="mean"), CatParams(layers=asked.layers)):
            model = directory / params.architecture
            torch.manual_seed(0)
            begin_ranker(params, pretrained(backbone), LENGTHS, TextTokenizer(backbone)).save_pretrained(model)
            copy_tokenizer(backbone, model)
            compare(console, model, params, task, asked)


def prepare(directory: Path, asked: argparse.Namespace, tokenizer: TextTokenizer) -> tuple[str, Task]:
    """A description of the collection, and triples of its first queries, their positives and passages drawn by lot."""
    folder = asked.datasets / "nq-dev"
    if folder.is_dir():
        source: Beir | AwsApiDocs = Beir(source="beir", location=str(folder), on_error="drop")
    else:
        services: Literal["all"] | list[str] = asked.services or "all"
        source = AwsApiDocs(source="aws-api-docs", services=services, minimum_words=12, dev_share=0.02, test_share=0.02)
    directory.mkdir()
    take_in(source.opened(), directory, None, None)
    collection = Collection.read(directory)
    texts = [text for some in collection.passage_texts() for text in some]
    place = {passage: row for row, passage in enumerate(collection.passage_ids())}
    qrels = collection.qrels.unique("query_id", keep="first", maintain_order=True).sort("query_id")
    chosen = qrels.sample(asked.steps * asked.batch_size, seed=1, with_replacement=True, shuffle=True)
    queries = dict(collection.queries.select("query_id", "text").iter_rows())
    asked_texts = [queries[query] for query in chosen["query_id"]]
    positives = [place[passage] for passage in chosen["passage_id"]]
    negatives = np.random.default_rng(2).integers(len(texts), size=len(chosen))
    passages = [(texts[row], texts[other]) for row, other in zip(positives, negatives, strict=True)]
    flat = [text for pair in passages for text in pair]
    stored = StoredTexts(
        ragged_ids(asked_texts, LENGTHS.query_length, tokenizer),
        ragged_ids(flat, LENGTHS.passage_length, tokenizer),
        tokenizer.special_tokens.pad,
    )
    shared = [
        [float(len({*query.lower().split()} & {*text.lower().split()})) for text in pair]
        for query, pair in zip(asked_texts, passages, strict=True)
    ]
    teacher = np.asarray(shared, np.float32)
    rows = TripleRows(np.arange(len(chosen)), np.arange(2 * len(chosen)).reshape(-1, 2))
    lengths = stored.passages.lengths(np.arange(len(flat)))
    told = f"{len(chosen):,} triples; passages of {lengths.mean():.0f} tokens, {lengths.min()} to {lengths.max()}"
    return told, Task(asked_texts, passages, TripleDataset(rows, stored, teacher), teacher)


def compare(console: Console, model: Path, params: RankerParams, task: Task, asked: argparse.Namespace) -> None:
    exported = model.with_name(f"{model.name}-exported")
    export_model(model, exported)
    peer = "SentenceTransformerTrainer" if params.one_vector else "CrossEncoderTrainer"
    runs: dict[str, Callable[[Path], Any]] = {
        "DistilRank": lambda scratch: ours(model, task, asked, scratch),
        peer: lambda scratch: theirs(exported, params, task, asked, scratch),
    }
    rates, curves = dict.fromkeys(runs, 0.0), {}
    for _ in range(asked.rounds):
        for name, begin in runs.items():
            with tempfile.TemporaryDirectory() as scratch:
                clock = Clock(asked.steps)
                per_second = steps_per_second(begin(Path(scratch)), clock, asked.steps)
            rates[name] = max(rates[name], asked.batch_size * per_second)
            curves[name] = clock.losses
    table = Table(params.architecture, "triples per second", "ratio", "loss: first, second, last third")
    for name, rate in rates.items():
        thirds = [f"{np.mean(some):.2f}" for some in np.array_split(curves[name], 3)]
        table.add_row(name, f"{rate:.1f}", f"{rates['DistilRank'] / rate:.2f} x", ", ".join(thirds))
    console.print(table)
    show_padding(console, ours(model, task, asked, model), task, params, asked.batch_size)
    show_bounds(console, ours(model, task, asked, model), asked.batch_size)


def ours(model: Path, task: Task, asked: argparse.Namespace, scratch: Path) -> RankerTrainer:
    params = Training(
        steps=asked.steps, batch_size=asked.batch_size, learning_rate=RATE, warmup_share=0, validate_every=asked.steps
    )
    arguments = training_arguments(params, scratch, torch.device("cpu"))
    arguments.save_strategy = arguments.eval_strategy = "no"
    arguments.logging_steps = 1

    def never(*_: object) -> dict[str, float]:
        raise AssertionError("this training does not validate")

    trainer = RankerTrainer(
        TrainingTask(lambda: load_ranker(model).train(), params, MarginMSE(), task.dataset, never), arguments
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def theirs(model: Path, params: RankerParams, task: Task, asked: argparse.Namespace, scratch: Path) -> Any:
    columns = {
        "query": task.queries,
        "positive": [positive for positive, _ in task.passages],
        "negative": [negative for _, negative in task.passages],
        "label": (task.teacher[:, 0] - task.teacher[:, 1]).tolist(),
    }
    settings = {
        "output_dir": str(scratch),
        "max_steps": asked.steps,
        "per_device_train_batch_size": asked.batch_size,
        "learning_rate": RATE,
        "logging_steps": 1,
    }
    trainer = peer_trainer(model, not params.one_vector, columns, "cpu", settings)
    trainer.remove_callback(PrinterCallback)
    return trainer


def show_padding(console: Console, trainer: Any, task: Task, params: RankerParams, batch_size: int) -> None:
    """Shows the share of padding in what is encoded, for batches in their given order and in our layout."""
    real = plain = grouped = 0
    texts, rows = task.dataset.texts, task.dataset.rows
    for numbers in np.random.default_rng(0).permutation(len(task.queries)).reshape(-1, batch_size):
        batch = trainer.data_collator(numbers)
        real, grouped = real + batch["tokens"], grouped + batch["tokens"] + batch["padding"]
        queries = texts.queries.lengths(rows.queries[numbers])
        passages = texts.passages.lengths(rows.passages[numbers].ravel())
        if params.reads_pairs:
            lengths = np.repeat(queries, 2) + passages + SPECIAL_TOKENS
            plain += lengths.max() * len(lengths)
        else:
            plain += sum((lengths.max() + 2) * len(lengths) for lengths in (queries, passages))
    console.print(
        f"padding: {1 - real / plain:.0%} of the tokens in batches as they come, {1 - real / grouped:.0%} in ours"
    )


def show_bounds(console: Console, trainer: Any, batch_size: int) -> None:
    """Shows the share of each kind of operation in one of our steps, on one thread so that shares add up."""
    from torch.profiler import ProfilerActivity, profile

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1
    batches = [
        trainer.data_collator(range(first, first + batch_size)) for first in range(0, 3 * batch_size, batch_size)
    ]

    def step(batch: dict[str, Any]) -> None:
        trainer.training_step(trainer.ranker, batch)
        torch.nn.utils.clip_grad_norm_(trainer.ranker.parameters(), 1.0)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()

    step(batches[0])
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        began = time.perf_counter()
        for batch in batches[1:]:
            step(batch)
        seconds = time.perf_counter() - began
    torch.set_num_threads(threads)
    kinds = {
        "matrix products": ("aten::addmm", "aten::mm", "aten::bmm"),
        "attention": ("scaled_dot_product", "flash_attention"),
        "dropout": ("dropout", "bernoulli"), "GELU": ("gelu",), "layer norms": ("layer_norm",),
        "optimiser": ("_foreach", "_fused", "Optimizer"), "embeddings": ("embedding",),
    }  # fmt: skip
    spent = dict.fromkeys(kinds, 0.0)
    for event in profiled.key_averages():
        kind = next((kind for kind, names in kinds.items() if any(name in event.key for name in names)), None)
        if kind:
            spent[kind] += event.self_cpu_time_total / 1e6 / seconds
    spent["all else"] = 1 - sum(spent.values())
    console.print("our time on one thread: " + ", ".join(f"{kind} {share:.0%}" for kind, share in spent.items()))


if __name__ == "__main__":
    main()
