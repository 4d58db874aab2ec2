"""The gates between a challenger and the champion's place: each passes or not, and says why, with its figures."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.evaluation.significance import non_inferior_p_value
from distilrank.measuring_sections import NoWorse, Promotion
from distilrank.registry.names import Tag
from distilrank.tracking import metric_key

# What a model's files may be: nothing that is executed when it is read, but for the code that serves it.
HARMLESS = {".safetensors", ".json", ".txt", ".yaml", ".parquet", ".faiss", ".py"}
NAMED_BY_MLFLOW = {"MLmodel", "registered_model_meta"}
# How pickles of protocol 2 to 5 begin, and the archives that torch.save writes.
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
_SECONDS_TO_LOAD = 600
_LOAD = """
import json, sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
requests = [{"query": "a query", "passages": ["a passage", "another"]}]
if sys.argv[2] == "index":
    requests.append({"query": "a query", "top_k": 2})
answers = model.predict(requests)
print(json.dumps([answer.model_dump() for answer in answers]))
"""


@dataclass(frozen=True)
class Gate:
    """One gate's decision."""

    gate: str
    passed: bool
    why: str
    figures: dict[str, Any]


def holds_no_pickle(model: Path) -> Gate:
    """Weights are safetensors, and no file is one that runs when it is read."""
    files = [file for file in sorted(model.rglob("*")) if file.is_file()]
    strange = [str(file.relative_to(model)) for file in files if not _is_harmless(file)]
    weights = [file for file in files if file.suffix == ".safetensors"]
    why = f"{', '.join(strange)} may run when it is read" if strange else "" if weights else "there are no safetensors"
    return Gate("safetensors only", not why, why or f"{len(files)} files", {"files": len(files), "refused": strange})


def loads(model: Path, with_index: bool) -> Gate:
    """A process that has nothing but the model loads it and answers."""
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    command = [sys.executable, "-c", _LOAD, str(model.absolute()), "index" if with_index else "none"]
    try:
        done = subprocess.run(
            command, cwd=model, env=environment, capture_output=True, text=True, timeout=_SECONDS_TO_LOAD, check=False
        )
    except subprocess.TimeoutExpired:
        return Gate("loads in a clean process", False, f"it took more than {_SECONDS_TO_LOAD} seconds", {})
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1][:200]
        return Gate("loads in a clean process", False, last, {"exit code": done.returncode})
    answers = json.loads(done.stdout.splitlines()[-1])
    scores = [*answers[0]["scores"], *(hit["score"] for answer in answers[1:] for hit in answer["hits"])]
    sound = len(answers[0]["scores"]) == 2 and all(math.isfinite(score) for score in scores)
    return Gate(
        "loads in a clean process", sound, "it answers" if sound else f"it answers {answers}", {"scores": scores}
    )


def reaches_floors(tags: Mapping[str, str], floors: Promotion) -> Gate:
    """Each measure that the params name is at its floor or above."""
    figures, low = {}, []
    for task, measures in floors.floors.items():
        for measure, floor in measures.items():
            value = _number(tags, f"{task}/{metric_key(measure)}")
            figures[f"{task} {measure}"] = {"value": value, "floor": floor}
            if value is None or value < floor:
                low.append(f"{task} {measure} is {value}, below {floor}")
    return Gate("floors", not low, "; ".join(low) or "all are reached", figures)


def is_no_worse(challenger: pl.DataFrame | None, champion: pl.DataFrame | None, rule: NoWorse, first: bool) -> Gate:
    """A paired test over the same queries; where there is no champion yet, there is nothing to be worse than."""
    name = "no worse than the champion"
    if first:
        return Gate(name, True, "there is no champion yet", {})
    if champion is None or challenger is None:
        why = (
            "the champion was not measured in the challenger's evaluation: build and register it with this collection, "
            "or take the alias champion from it"
        )
        return Gate(name, False, why, {})
    pairs = _values(challenger, rule).join(_values(champion, rule), on="query_id", how="full", coalesce=True)
    if pairs.is_empty() or pairs.null_count().row(0) != (0, 0, 0):
        return Gate(name, False, f"{rule.task} {rule.measure} is not there for the same queries of both", {})
    values, others = pairs["value"].to_numpy(), pairs["value_right"].to_numpy()
    p_value = non_inferior_p_value(values, others, rule.margin)
    figures = {
        "measure": f"{rule.task} {rule.measure}",
        "challenger": float(values.mean()),
        "champion": float(others.mean()),
        "queries": len(pairs),
        "margin": rule.margin,
        "p": p_value,
        "p allowed": rule.p_value,
    }
    told = f"{values.mean():.4f} against {others.mean():.4f}: worse by {rule.margin} with a p of {p_value:.2g}"
    return Gate(name, p_value < rule.p_value, told, figures)


def is_quick_enough(tags: Mapping[str, str], budget: Promotion) -> Gate:
    """The median time of a query is within the budget."""
    value = _number(tags, Tag.MILLISECONDS)
    passed = value is not None and value <= budget.milliseconds
    why = f"{value} ms a query, of {budget.milliseconds} allowed"
    return Gate("latency", passed, why, {"milliseconds": value, "allowed": budget.milliseconds})


def is_small_enough(model: Path, budget: Promotion) -> Gate:
    """All that a server must load is within the budget."""
    megabytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6
    why = f"{megabytes:.1f} MB, of {budget.megabytes} allowed"
    return Gate("size", megabytes <= budget.megabytes, why, {"megabytes": megabytes, "allowed": budget.megabytes})


def _is_harmless(file: Path) -> bool:
    with file.open("rb") as content:
        return (file.suffix in HARMLESS or file.name in NAMED_BY_MLFLOW) and not content.read(4).startswith(PICKLES)


def _number(tags: Mapping[str, str], key: str) -> float | None:
    return float(tags[key]) if key in tags else None


def _values(measures: pl.DataFrame, rule: NoWorse) -> pl.DataFrame:
    chosen = measures.filter(pl.col("task") == rule.task, pl.col("measure") == rule.measure)
    return chosen.select("query_id", "value")
