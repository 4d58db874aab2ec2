"""What each key of params.yaml takes and means, from the types of the sections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo

from distilrank.config.entries import PARAMS_FILE
from distilrank.config.kinds import any_of, as_yaml, in_words
from distilrank.config.params import Params
from distilrank.errors import ParamsError, did_you_mean
from distilrank.sections.base import Section

# Sections with their names in a choice of several; the name is empty if there is no choice.
Choices = Mapping[type[Section], str]
_OF_SEVERAL: Mapping[Any, str] = {dict: ".NAME", list: ".N"}


@dataclass(frozen=True)
class Key:
    """One key, and what it takes. `default` is None if the key is required."""

    name: str
    kind: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Part:
    """The keys of a section, or those that some sections of a choice share.

    `of` names these sections. It is empty if there is no choice.
    """

    of: list[str]
    about: str
    keys: list[Key]


@dataclass(frozen=True)
class Entry:
    """What stands at a path, such as `students.NAME.ranker`. `see` is the path that already explains the same."""

    path: str
    required: bool
    about: str
    parts: list[Part]
    see: str = ""


def reference(section: str | None = None) -> list[Entry]:
    """The reference of all of params.yaml, or of one section. Raises ParamsError."""
    if section is not None and section not in Params.model_fields:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}",
            got="no such section",
            expected=f"one of {', '.join(Params.model_fields)}",
            remedy=did_you_mean(section, Params.model_fields, "name one of these"),
        )
    told: dict[type[Section], str] = {}
    fields = {name: field for name, field in Params.model_fields.items() if section in (None, name)}
    return [entry for name, field in fields.items() for entry in _entries(name, field, told)]


def keys_at(place: Sequence[str]) -> list[str]:
    """The keys that are known at a place in the file, such as students, dot, training; all keys if it is unknown."""
    if not place:
        return [*Params.model_fields]
    entries = {entry.path: entry for entry in reference()}
    at = next((entry for path, entry in entries.items() if _is_at(path, place)), None)
    told = entries.values() if at is None else [entries[at.see] if at.see else at]
    return [key.name for entry in told for part in entry.parts for key in part.keys]


def _is_at(path: str, place: Sequence[str]) -> bool:
    parts = path.split(".")
    return len(parts) == len(place) and all(one in ("NAME", "N", key) for one, key in zip(parts, place, strict=True))


def _entries(path: str, field: FieldInfo, told: dict[type[Section], str]) -> Iterator[Entry]:
    """The entry of a key, then those of the keys in it. `told` has the path that explains each section."""
    choices = dict(_choices(field.annotation))
    if not choices:
        return
    is_nested = "." in path
    path += _OF_SEVERAL.get(get_origin(field.annotation), "")
    first = next(iter(choices))
    if told.get(first) == path:  # sections of a choice inherit the same key
        return
    own = "" if len(choices) > 1 else _about(first)
    about = own or _line(field.description) if is_nested else _line(field.description) or own
    if choices.keys() <= told.keys():
        yield Entry(path, field.is_required(), about, [], see=told[first])
        return
    told |= dict.fromkeys(choices, path)
    yield Entry(path, field.is_required(), about, list(_parts(choices)))
    for section in choices:
        for name, inner in section.model_fields.items():
            if not _is_flat(inner):
                yield from _entries(f"{path}.{inner.alias or name}", inner, told)


def _choices(annotation: Any, tag: str = "") -> Iterator[tuple[type[Section], str]]:
    """The sections in a type, each with its tag."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation, tag
        return
    arguments = get_args(annotation)
    tag = next((one.tag for one in arguments if isinstance(one, Tag)), tag)
    for argument in arguments:
        yield from _choices(argument, tag)


def _parts(choices: Choices) -> Iterator[Part]:
    """The keys, grouped by who has them: first those of all sections of a choice, then of some, then of each."""
    by_owners: dict[tuple[str, ...], list[type[Section]]] = {}
    for base in dict.fromkeys(base for choice in choices for base in reversed(choice.__mro__)):
        if issubclass(base, Section) and base is not Section:
            owners = tuple(name for choice, name in choices.items() if issubclass(choice, base))
            by_owners.setdefault(owners, []).append(base)
    for owners, bases in sorted(by_owners.items(), key=lambda one: -len(one[0])):
        keys = [key for base in bases for key in _keys(base, choices)]
        is_shared = len(owners) > 1
        about = "" if len(owners) == len(choices) else _about(bases[-1])
        if keys or not is_shared:
            yield Part([name for name in owners if name], about, keys)


def _keys(section: type[Section], choices: Choices) -> Iterator[Key]:
    schema = section.model_json_schema()
    for name in get_annotations(section):
        field = section.model_fields.get(name)
        if field is None or _is_flat(field):
            continue
        described = schema["properties"][field.alias or name]
        kind = in_words(described)
        if _tells_apart(name, choices):
            if section in choices:
                continue
            kind = any_of([tag for choice, tag in choices.items() if issubclass(choice, section)])
        elif "const" in described or kind == "null":
            kind = f"only {kind}"
        default = None if field.is_required() else as_yaml(described["default"])
        yield Key(field.alias or name, kind, default, _meaning(section, name))


def _is_flat(field: FieldInfo) -> bool:
    """Whether the field's keys stand directly in the section."""
    return isinstance(field.json_schema_extra, dict) and "flat" in field.json_schema_extra


def _tells_apart(name: str, choices: Choices) -> bool:
    """Whether this key makes the choice."""
    fields = ((choice.model_fields.get(name), tag) for choice, tag in choices.items())
    return any(field is not None and get_args(field.annotation) == (tag,) for field, tag in fields)


def _meaning(section: type[Section], name: str) -> str:
    """A key's description, or that of the field that it narrows."""
    fields = (base.model_fields.get(name) for base in section.__mro__ if issubclass(base, Section))
    return next((_line(field.description) for field in fields if field and field.description), "")


def _about(section: type[Section]) -> str:
    return _line((section.__doc__ or "").partition("\n\n")[0])


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
