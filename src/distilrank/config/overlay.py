"""Lays a preset's changes over the defaults, as text, so that comments stay with the lines that they belong to.

A section of the preset is merged key by key; what is under a key is replaced as a whole. But the preset's section
replaces the default's as a whole

- if it holds named entries: triples, teachers, ensembles, imports, students;
- if it is of another kind: a collection with a `source`;
- if either of the two is on one line, such as `unlabelled: null`.

A key of the preset that has no comment keeps the default's.
"""

import re
from typing import get_origin

from distilrank.config.params import Params

_ENTRIES = {name for name, field in Params.model_fields.items() if get_origin(field.annotation) is dict}
# The key by which a section says that it is of another kind.
_KIND = {"collection": "source"}


def overlaid(defaults: str, preset: str) -> str:
    """The whole params, in the order of the defaults, under the preset's own heading."""
    heading, sections = _split(defaults)
    own_heading, own = _split(preset)
    merged = sections | {name: _section(name, sections.get(name, ""), text) for name, text in own.items()}
    return "\n".join([f"{_ended(own_heading)}#\n{_ended(heading)}", *map(_ended, merged.values())])


def _section(name: str, default: str, own: str) -> str:
    line, keys = _split(default, "  ")
    own_line, own_keys = _split(own, "  ")
    if name in _ENTRIES or _KIND.get(name) in own_keys or not keys or not own_keys:
        return own
    merged = keys | {key: _commented(text, keys.get(key, "")) for key, text in own_keys.items()}
    return _commented(own_line, line) + "".join(map(_ended, merged.values()))


def _commented(own: str, default: str) -> str:
    """A key's lines in the preset. The first gets the default's comment if it has none of its own."""
    first, end, rest = _ended(own).partition("\n")
    comment = re.match(r"(\s*[\w-]+:.*? +)(#.*)", default)
    if "#" in first or not comment:
        return first + end + rest
    return f"{first + '  ':<{len(comment[1])}}{comment[2]}\n{rest}"


def _split(text: str, indent: str = "") -> tuple[str, dict[str, str]]:
    """The text before the first key of this indent, and each key's lines with the comments right above them."""
    key = rf"^(?:{indent}#.*\n)*{indent}([\w-]+):.*\n(?:(?!{indent}[#\w]).*\n)*"
    blocks = list(re.finditer(key, _ended(text), re.MULTILINE))
    return text[: blocks[0].start()] if blocks else text, {block[1]: block[0] for block in blocks}


def _ended(text: str) -> str:
    """The text with exactly one line break at its end."""
    return text.rstrip("\n") + "\n"
