"""Reads params.yaml, and reports each fault on a line, with the keys as they stand in the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distilrank.config.entries import PARAMS_FILE
from distilrank.config.params import Params
from distilrank.errors import ParamsError, nearest

# A path of keys from the top of the file.
Place = tuple[str, ...]
# The most faults that are shown of one file.
_MOST_SHOWN = 20


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Reads and checks params.yaml. Raises ParamsError."""
    # As DVC reads it: YAML 1.2, in which 7e-6 is a number, through libyaml, which needs quotes round a URL in brackets.
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
        raise _as_params_error(path, values, error) from error


def _as_params_error(path: Path, values: Any, error: ValidationError) -> ParamsError:
    """All faults, one per line."""
    # Unknown keys come first: a misspelt one may be why another is missing.
    faults: list[Any] = sorted(error.errors(include_url=False), key=lambda fault: not _is_unknown(fault))
    places = [_place_in(values, fault) for fault in faults]
    meant = {place: _meant(place) for place, fault in zip(places, faults, strict=True) if _is_unknown(fault)}
    # A misspelt key is unknown, and missing under its right name. One line says both.
    said = {(*place[:-1], key) for place, key in meant.items()}
    lines = [
        _line(path, place, fault, meant.get(place))
        for place, fault in zip(places, faults, strict=True)
        if not (_is_absent(fault) and place in said)
    ]
    shown = lines[:_MOST_SHOWN] + ([f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else [])
    return ParamsError.of_lines(list(dict.fromkeys(shown)))


def _line(path: Path, place: Place, fault: Mapping[str, Any], meant: str | None) -> str:
    got, expected = _fault(fault)
    if len(got) > 80 and fault["type"] != "value_error":
        got = got[:77] + "..."
    remedy = f"mend the file: `distilrank params {place[0]}` tells its keys" if place else "mend the file"
    if _is_unknown(fault) and len(place) == 1:
        remedy = "mend the file: `distilrank params` tells all keys"
    if meant:
        remedy = f"did you mean {meant}?"
    return str(ParamsError(f"{path}: {'.'.join(place) or 'top level'}", got=got, expected=expected, remedy=remedy))


def _place_in(values: Any, fault: Mapping[str, Any]) -> Place:
    """The keys as they stand in the file, without pydantic's names of choices, which the file does not hold."""
    keys: list[str] = []
    *above, last = [part for part in fault["loc"] if part != "[key]"] or [""]
    here = values
    for part in above:
        inside = here.get(part) if isinstance(here, Mapping) else here[part] if _is_index(here, part) else None
        if inside is not None or (isinstance(here, Mapping) and part in here):
            keys.append(str(part))
            here = inside
    if last != "" and (_is_absent(fault) or _stands(here, last)):
        keys.append(str(last))
    if fault["type"] == "union_tag_invalid":
        keys.append(fault["ctx"]["discriminator"].removesuffix("()"))
    return tuple(keys)


def _stands(here: Any, part: str | int) -> bool:
    return part in here if isinstance(here, Mapping) else _is_index(here, part)


def _is_index(here: Any, part: str | int) -> bool:
    return isinstance(here, list) and isinstance(part, int)


def _is_absent(fault: Mapping[str, Any]) -> bool:
    return bool(fault["type"] == "missing")


def _is_unknown(fault: Mapping[str, Any]) -> bool:
    return bool(fault["type"] == "extra_forbidden")


def _meant(place: Place) -> str | None:
    """The known key that is most like an unknown one."""
    from distilrank.config.reference import keys_at  # imported late: it looks through all sections

    return nearest(place[-1], keys_at(place[:-1]))


def _fault(error: Mapping[str, Any]) -> tuple[str, str]:
    """What the file has, and what was expected."""
    message: str = error["msg"]
    match error["type"]:
        case "missing":
            return "nothing", "this key"
        case "extra_forbidden":
            return "an unknown key", "a known one"
        case "union_tag_invalid":
            tag, section = error["ctx"]["tag"], error["input"]
            got = "nothing" if isinstance(section, Mapping) else f"{section!r} without a key"
            return f"'{tag}'" if tag else got, f"one of {error['ctx']['expected_tags']}"
        case "value_error":
            return f"a contradiction ({message.removeprefix('Value error, ')})", "params that agree with each other"
        case _:
            return repr(error["input"]), message.removeprefix("Input should be ")
