"""Measures sentence-transformers on the same weights, texts and device: predict, encode, training with
MarginMSELoss."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distilrank.gpu_check.bench import Bench, NotChecked
from distilrank.gpu_check.findings import PEER, Rate
from distilrank.gpu_check.meter import Memory, repeated_rate
from distilrank.gpu_check.shapes import Shape, words_of
from distilrank.gpu_check.speed import (
    BATCH,
    MODELS,
    full_texts,
    saved_models,
    timed_trainer,
    training_steps,
    training_triples,
)
from distilrank.gpu_check.timed_training import peer_trainer
from distilrank.rankers.precision import float32_products
from distilrank.sections.precision import Precision

GROUP = "peer"
# Its default, and one that fills a card.
_BATCH_SIZES = (32, 256)


def check(bench: Bench) -> None:
    for shape in bench.shapes:
        models = saved_models(shape, bench.scratch / shape.name)
        exported = {name: model.with_name(f"{name}-exported") for name, model in models.items()}
        export = partial(_export, models, exported)
        bench.check(GROUP, f"{shape.name} exported for sentence-transformers", export)
        for precision in bench.precisions:
            measures = {
                "scoring": partial(_scoring, bench, shape, exported["cat"], precision),
                "encoding": partial(_encoding, bench, shape, exported["dot"], precision),
            } | {f"training {name}": partial(_training, bench, shape, exported, name, precision) for name in MODELS}
            for task, measure in measures.items():
                bench.check(GROUP, f"{task}, {shape.name}, {precision}", partial(_told, bench, measure))


def _export(models: dict[str, Path], targets: dict[str, Path]) -> str:
    _need("sentence_transformers")
    from distilrank.conversion.export import export_model

    for name, model in models.items():
        export_model(model, targets[name])
    return " and ".join(models)


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise NotChecked(f"{package.replace('_', '-')} is not installed")


def _told(bench: Bench, measure: Callable[[], Rate]) -> str:
    _need("sentence_transformers")
    rate = measure()
    bench.tell(rate)
    return f"{rate.per_second:,.0f} {rate.unit}/s {rate.note}".strip()


def _scoring(bench: Bench, shape: Shape, model: Path, precision: Precision) -> Rate:
    from sentence_transformers import CrossEncoder

    encoder = _in_precision(CrossEncoder(str(model), device=bench.device_type), precision)
    texts, memory = full_texts(bench, shape), Memory(bench)
    pairs = list(zip(words_of(texts.queries), words_of(texts.passages), strict=True))

    def rate(size: int) -> float:
        return repeated_rate(bench, lambda: len(encoder.predict(pairs, batch_size=size, show_progress_bar=False)))

    with float32_products(precision, bench.device):
        rates = {size: rate(size) for size in _BATCH_SIZES}
    return _best(Rate("scoring", shape.name, precision, PEER, 0.0, "pairs", memory.gib()), rates)


def _encoding(bench: Bench, shape: Shape, model: Path, precision: Precision) -> Rate:
    from sentence_transformers import SentenceTransformer

    encoder = _in_precision(SentenceTransformer(str(model), device=bench.device_type), precision)
    passages, memory = words_of(full_texts(bench, shape).passages), Memory(bench)

    def rate(size: int) -> float:
        return repeated_rate(
            bench, lambda: len(encoder.encode_document(passages, batch_size=size, show_progress_bar=False))
        )

    with float32_products(precision, bench.device):
        rates = {size: rate(size) for size in _BATCH_SIZES}
    return _best(Rate("encoding", shape.name, precision, PEER, 0.0, "passages", memory.gib()), rates)


def _best(rate: Rate, rates: dict[int, float]) -> Rate:
    size = max(rates, key=lambda one: rates[one])
    return Rate(**{**vars(rate), "per_second": rates[size], "note": f"in batches of {size}"})


def _in_precision(encoder: Any, precision: Precision) -> Any:
    """The encoder in its own fastest way to 16 bits: with its weights in 16 bits."""
    return encoder.bfloat16() if precision == "bfloat16" else encoder


def _training(bench: Bench, shape: Shape, exported: dict[str, Path], name: str, precision: Precision) -> Rate:
    memory, steps = Memory(bench), training_steps(bench)
    with float32_products(precision, bench.device):
        trainer = _trainer(bench, shape, exported[name], name, precision, steps)
        per_second = timed_trainer(bench, trainer, steps)
    return Rate(f"training {name}", shape.name, precision, PEER, per_second, "triples", memory.gib())


def _trainer(bench: Bench, shape: Shape, model: Path, name: str, precision: Precision, steps: int) -> Any:
    rows, texts, teacher = training_triples(shape)
    queries, passages = words_of(texts.queries), words_of(texts.passages)
    columns = {
        "query": queries,
        "positive": [passages[row] for row in rows.passages[:, 0]],
        "negative": [passages[row] for row in rows.passages[:, 1]],
        "label": (teacher[:, 0] - teacher[:, 1]).tolist(),
    }
    settings = {
        "output_dir": str(bench.scratch / "peer"),
        "max_steps": steps,
        "per_device_train_batch_size": BATCH,
        "learning_rate": 1e-5,
        "bf16": precision == "bfloat16",
    }
    return peer_trainer(model, name == "cat", columns, bench.device_type, settings)
