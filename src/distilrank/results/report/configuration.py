"""The params of the whole pipeline as readable lines."""

from collections.abc import Iterator
from typing import Any

from distilrank.config.params import Params
from distilrank.redaction import without_secrets

NAMED = ("teachers", "ensembles", "students")


def configuration(params: Params) -> dict[str, list[tuple[str, str]]]:
    """The lines (dotted key, value) of each section, without keys that are not set. An entry of NAMED is a section."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for name, section in without_secrets(params.model_dump(mode="json", exclude_none=True)).items():
        if name in NAMED:
            sections |= {f"{name}.{entry}": list(_lines(values)) for entry, values in section.items()}
        else:
            sections[name] = list(_lines(section))
    return sections


def _lines(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
