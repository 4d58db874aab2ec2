"""A key's type, range and default in words, from pydantic's JSON schema of a section."""

import json
from collections.abc import Mapping
from typing import Any

_PLAIN = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def in_words(schema: Mapping[str, Any]) -> str:
    """A type in words, such as `integer from 1 to 512`, `name or null`, `list of name` or `section`."""
    if "const" in schema:
        return as_yaml(schema["const"])
    if "enum" in schema:
        return any_of([as_yaml(value) for value in schema["enum"]])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return any_of([in_words(choice) for choice in choices])
    kind = schema.get("type", "section")
    if kind == "array":
        least = schema.get("minItems")
        return f"list of {in_words(schema['items'])}" + (f", at least {least}" if least else "")
    if kind == "object":
        values = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
        return f"{{{schema.get('propertyNames', {}).get('words', 'text')}: {in_words(values)}}}"
    return f"{schema.get('words', _PLAIN.get(kind, kind))}{_range(schema)}"


def as_yaml(value: Any) -> str:
    """A value as it stands on a line of params.yaml."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {as_yaml(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    return value if isinstance(value, str) and value else json.dumps(value)


def any_of(words: list[str]) -> str:
    """The words as `a, b or c`, each once."""
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last


def _range(schema: Mapping[str, Any]) -> str:
    bounds = {"minimum": " from", "exclusiveMinimum": " above", "maximum": " to", "exclusiveMaximum": ", below"}
    return "".join(f"{word} {as_yaml(schema[bound])}" for bound, word in bounds.items() if bound in schema)
