"""The keys of params.yaml that dvc.yaml names. Params must set them: DVC knows no defaults, and fails without them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distilrank.config.entries import PARAMS_FILE
from distilrank.config.params import Params
from distilrank.errors import ParamsError

DVC_FILE = Path("dvc.yaml")


def refuse_absent_keys() -> None:
    """Raises ParamsError, a line for each key that dvc.yaml, if there is one, names and that params.yaml lacks."""
    if not DVC_FILE.is_file():
        return
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    values = yaml.load(PARAMS_FILE)
    text = DVC_FILE.read_text("utf-8")
    named = dict.fromkeys([*_dependencies(yaml.load(text)), *_variables(text)])
    if absent := [_absent(key) for key in named if not _stands(key, values)]:
        raise ParamsError.of_lines([str(error) for error in absent])


def _absent(key: str) -> ParamsError:
    return ParamsError(
        f"{PARAMS_FILE}: {key}",
        got="nothing",
        expected=f"this key, which {DVC_FILE} names",
        remedy=f"add it (see `distilrank params {key.partition('.')[0]}`), or rewrite the file with `distilrank init`",
    )


def _dependencies(graph: Any) -> Iterator[str]:
    """The keys that stages depend on, up to an entry's name: `teachers.${item.teacher}` gives `teachers`."""
    for stage in graph["stages"].values():
        for key in stage.get("do", stage).get("params", []):
            if isinstance(key, str) and not key.startswith("${"):
                yield key.partition("${")[0].rstrip(".")


def _variables(text: str) -> Iterator[str]:
    """The keys in a text's variables, such as `matrix.teachers` in `${matrix.teachers}`."""
    for key in re.findall(r"\$\{([\w.]+)", text):
        if key.partition(".")[0] in Params.model_fields:
            yield key


def _stands(key: str, values: Any) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True
