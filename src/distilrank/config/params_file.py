"""Reading params.yaml: what is wrong with it in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distilrank.config.entries import PARAMS_FILE
from distilrank.config.params import Params
from distilrank.errors import ParamsError


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Reads and checks params.yaml. Raises ParamsError."""
    # As DVC reads it: YAML 1.2, where 7e-6 is a number, by libyaml, which wants a URL in brackets to be quoted.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.is_file():
        raise ParamsError(
            path, got="no such file", expected="the parameters", remedy="run from the root of the project"
        )
    try:
        values = YAML(typ="safe").load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(path, got=f"no YAML ({error})", expected="valid YAML", remedy="mend the file") from error
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise _as_params_error(path, error) from error


def _as_params_error(path: Path, error: ValidationError) -> ParamsError:
    errors: list[Any] = error.errors(include_url=False)
    # A misspelt key is unknown and, under its right name, missing: the first says more.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = [str(part) for part in _keys_of(first["loc"])]
    got, expected = _fault(first)
    if first["type"] == "union_tag_invalid":
        where.append(first["ctx"]["discriminator"].removesuffix("()"))
    if len(got) > 80 and first["type"] != "value_error":
        got = got[:77] + "..."
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    known = f"mend the file: `distilrank params {where[0]}` tells its keys" if where else "mend the file"
    return ParamsError(f"{path}: {'.'.join(where) or 'top level'}", got=got, expected=f"{expected}{more}", remedy=known)


def _keys_of(place: tuple[str | int, ...]) -> list[str | int]:
    """Without the names of choices that the params do not have to name."""
    match place:
        case ("triples", name, "drawn" | "given" | "lists" | "mined", *keys) | ("imports", name, _, *keys):
            return [place[0], name, *keys]
        case ("evaluations", name, "collection", *keys):
            return ["evaluations", name, *keys[1:]]
        case ("teachers", name, "trained" | "given", *keys):
            return [place[0], name, *keys]
        case ("students", name, "start", "word" | "model", *keys):
            return ["students", name, "start", *keys]
        case (*keys, "[key]"):  # what is wrong is the key itself
            return keys
    return [*place]


def _fault(error: Mapping[str, Any]) -> tuple[str, str]:
    """What was got, and what was expected."""
    message: str = error["msg"]
    match error["type"]:
        case "missing":
            return "nothing", "this key"
        case "extra_forbidden":
            return "an unknown key", "a key that is known here"
        case "union_tag_invalid":
            tag, section = error["ctx"]["tag"], error["input"]
            got = "nothing" if isinstance(section, Mapping) else f"{section!r} without a key"
            return f"'{tag}'" if tag else got, f"one of {error['ctx']['expected_tags']}"
        case "value_error":
            return f"params that do not agree ({message.removeprefix('Value error, ')})", "params that agree"
        case _:
            return repr(error["input"]), message.removeprefix("Input should be ")
