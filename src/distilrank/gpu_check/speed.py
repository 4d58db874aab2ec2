"""Rates of scoring, training and encoding at full lengths, in each precision, to compare with sentence-transformers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PrinterCallback

from distilrank.data.ragged import StoredTexts, TripleRows
from distilrank.gpu_check.bench import Bench
from distilrank.gpu_check.findings import OURS, Rate
from distilrank.gpu_check.meter import Memory, finish, operations, peak, repeated_rate
from distilrank.gpu_check.shapes import Shape, random_ranker, random_texts, save_tokenizer
from distilrank.gpu_check.timed_training import WARM_UP, Clock, steps_per_second
from distilrank.losses import MarginMSE
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.loading import load_ranker
from distilrank.rankers.pair_scores import StoredPairs, pair_scores
from distilrank.rankers.precision import float32_products
from distilrank.retrieval.vectors import encode_vectors
from distilrank.sections.precision import Precision
from distilrank.sections.training import Training
from distilrank.training.batches import TripleDataset
from distilrank.training.trainer import RankerTrainer, TrainingTask, training_arguments

GROUP = "speed"
BATCH = 32
MODELS = {"cat": "cat, [CLS]", "dot": "dot, mean"}


def check(bench: Bench) -> None:
    peaks = {precision: peak(bench, precision) for precision in bench.precisions}
    for precision, rate in peaks.items():
        bench.tell(Rate("matrix product", "square", precision, "torch", rate / 1e12, "Tflop"))
    for shape in bench.shapes:
        models = saved_models(shape, bench.scratch / shape.name)
        for precision in bench.precisions:
            measures = {
                "scoring": partial(_scoring, bench, shape, models["cat"], precision),
                "encoding": partial(_encoding, bench, shape, models["dot"], precision),
            } | {f"training {name}": partial(_training, bench, shape, name, precision) for name in MODELS}
            for task, measure in measures.items():
                made = partial(_told, bench, measure, peaks[precision])
                bench.check(GROUP, f"{task}, {shape.name}, {precision}", made)


def saved_models(shape: Shape, directory: Path) -> dict[str, Path]:
    """A cat and a dot ranker of the shape, in the form in which a training saves them."""
    for name, option in MODELS.items():
        random_ranker(shape, shape.rankers()[option], dropout=0.1).save_pretrained(directory / name)
        save_tokenizer(shape, directory / name)
    return {name: directory / name for name in MODELS}


def full_texts(bench: Bench, shape: Shape) -> StoredTexts:
    """As many queries as passages, all of full length."""
    texts = 2048 if bench.on_card else 16
    return random_texts(shape, texts, texts)


def paired(texts: StoredTexts) -> StoredPairs:
    """Pairs query i with passage i."""
    rows = np.arange(len(texts.queries))
    return StoredPairs(texts, rows, rows)


def timed_trainer(bench: Bench, trainer: Any, steps: int) -> float:
    """Triples per second over a Trainer's `steps`, after some to warm up."""
    return BATCH * steps_per_second(trainer, Clock(steps, partial(finish, bench)), steps)


def training_steps(bench: Bench) -> int:
    return 23 if bench.on_card else WARM_UP + 2


def _told(bench: Bench, measure: Callable[[], tuple[Rate, float]], most: float) -> str:
    """Reports a rate with its share of the peak. `measure` also gives the operations that one unit takes."""
    rate, per_unit = measure()
    share = rate.per_second * per_unit / most
    bench.tell(Rate(**{**vars(rate), "share_of_peak": round(share, 4)}))
    return f"{rate.per_second:,.0f} {rate.unit}/s, {share:.0%} of the peak"


def _scoring(bench: Bench, shape: Shape, model: Path, precision: Precision) -> tuple[Rate, float]:
    ranker, pairs, memory = load_ranker(model), paired(full_texts(bench, shape)), Memory(bench)

    def score() -> int:
        return len(pair_scores(ranker, pairs, precision).scores)

    rate = Rate("scoring", shape.name, precision, OURS, repeated_rate(bench, score), "pairs", memory.gib())
    return rate, operations(shape, _joined(shape), first_token_alone=True)


def _encoding(bench: Bench, shape: Shape, model: Path, precision: Precision) -> tuple[Rate, float]:
    ranker, texts, memory = load_ranker(model), full_texts(bench, shape), Memory(bench)
    rows = np.arange(len(texts.passages))

    def encode() -> int:
        stored = texts.passages, rows, texts.pad, bench.device
        return len(encode_vectors(ranker.encode_passages, *stored, precision=precision))

    per_second = repeated_rate(bench, encode)
    rate = Rate("encoding", shape.name, precision, OURS, per_second, "passages", memory.gib())
    return rate, operations(shape, shape.lengths.passage_length + SPECIAL_TOKENS - 1)


def _training(bench: Bench, shape: Shape, name: str, precision: Precision) -> tuple[Rate, float]:
    memory, steps = Memory(bench), training_steps(bench)
    params = Training(
        steps=steps, batch_size=BATCH, learning_rate=1e-5, warmup_share=0, validate_every=steps, precision=precision,
    )  # fmt: skip
    triples = TripleDataset(*training_triples(shape))
    ranker_params = shape.rankers()[MODELS[name]]
    task = TrainingTask(lambda: random_ranker(shape, ranker_params, dropout=0.1), params, MarginMSE(), triples, _never)
    arguments = training_arguments(params, bench.scratch / "timed", bench.device)
    arguments.save_strategy = arguments.eval_strategy = "no"
    with float32_products(precision, bench.device):
        trainer = RankerTrainer(task, arguments)
        trainer.remove_callback(PrinterCallback)
        per_second = timed_trainer(bench, trainer, steps)
    rate = Rate(f"training {name}", shape.name, precision, OURS, per_second, "triples", memory.gib())
    if name == "cat":
        return rate, 3 * 2 * operations(shape, _joined(shape))
    lengths = (shape.lengths.query_length, shape.lengths.passage_length)
    query, passage = (length + SPECIAL_TOKENS - 1 for length in lengths)
    return rate, 3 * (operations(shape, query) + 2 * operations(shape, passage))


def training_triples(shape: Shape) -> tuple[TripleRows, StoredTexts, Any]:
    """Triples with one negative, their texts, and a teacher's scores of them."""
    texts = random_texts(shape, 8 * BATCH, 16 * BATCH)
    passages = np.arange(len(texts.passages)).reshape(-1, 2)
    teacher = np.random.default_rng(0).normal(size=passages.shape).astype(np.float32)
    return TripleRows(np.arange(len(texts.queries)), passages), texts, teacher


def _joined(shape: Shape) -> int:
    """The tokens of a pair."""
    return shape.lengths.query_length + shape.lengths.passage_length + SPECIAL_TOKENS


def _never(*_: object) -> dict[str, float]:
    raise AssertionError("these trainings do not validate")
