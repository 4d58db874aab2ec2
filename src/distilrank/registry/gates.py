"""The gates between a challenger and the champion's place: each passes or not, and says why, with its figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.evaluation.significance import non_inferior_p_value
from distilrank.measuring_sections import NoWorse, Promotion
from distilrank.tracking import metric_key

# What a model's files may be: nothing that is executed when it is read.
HARMLESS = {".safetensors", ".json", ".txt", ".yaml", ".parquet", ".faiss"}
NAMED_BY_MLFLOW = {"MLmodel", "registered_model_meta"}
# But for the code that serves it, which stands apart from what it reads: `logged_model.py` puts it there.
SERVED_RANKER, CODE = "served_ranker.py", "code"
# How pickles of protocol 2 to 5 begin, and the archives that torch.save writes.
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


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
    strange = [str(file.relative_to(model)) for file in files if not _is_harmless(file, model)]
    weights = [file for file in files if file.suffix == ".safetensors"]
    why = f"{', '.join(strange)} may run when it is read" if strange else "" if weights else "there are no safetensors"
    return Gate("safetensors only", not why, why or f"{len(files)} files", {"files": len(files), "refused": strange})


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


def is_small_enough(model: Path, budget: Promotion) -> Gate:
    """All that a server must load is within the budget."""
    megabytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6
    why = f"{megabytes:.1f} MB, of {budget.megabytes} allowed"
    return Gate("size", megabytes <= budget.megabytes, why, {"megabytes": megabytes, "allowed": budget.megabytes})


def _is_harmless(file: Path, model: Path) -> bool:
    place = file.relative_to(model)
    is_code = file.suffix == ".py" and (place.parts[0] == CODE or str(place) == SERVED_RANKER)
    with file.open("rb") as content:
        known = is_code or file.suffix in HARMLESS or file.name in NAMED_BY_MLFLOW
        return known and not content.read(4).startswith(PICKLES)


def _number(tags: Mapping[str, str], key: str) -> float | None:
    return float(tags[key]) if key in tags else None


def _values(measures: pl.DataFrame, rule: NoWorse) -> pl.DataFrame:
    chosen = measures.filter(pl.col("task") == rule.task, pl.col("measure") == rule.measure)
    return chosen.select("query_id", "value")
