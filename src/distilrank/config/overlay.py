"""What a preset changes, laid over the defaults: as text, so that comments stay with the lines they were written for.

The rule is this. A section of the preset is merged key by key, and what stands under a key is replaced whole. The
section takes the place of the default's whole

- where it holds named entries: triples, teachers, ensembles, imports, students;
- where it is of another kind: a collection with a `source`;
- where either stands on one line, such as `unlabelled: null`.

A key of the preset that has no comment keeps the default's.
"""

import re
from typing import get_origin

from distilrank.config.params import Params

_ENTRIES = {name for name, field in Params.model_fields.items() if get_origin(field.annotation) is dict}
# The key that a section of another kind has.
_KIND = {"collection": "source"}


def overlaid(defaults: str, preset: str) -> str:
    """Whole params, in the order of the defaults, headed by what the preset says of itself."""
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
    """A key's lines in the preset, the first with the default's comment where it has none of its own."""
    first, end, rest = _ended(own).partition("\n")
    comment = re.match(r"(\s*[\w-]+:.*? +)(#.*)", default)
    if "#" in first or not comment:
        return first + end + rest
    return f"{first + '  ':<{len(comment[1])}}{comment[2]}\n{rest}"


def _split(text: str, indent: str = "") -> tuple[str, dict[str, str]]:
    """What stands before the first key of this indent, and the lines of each key, with the comments right above it."""
    key = rf"^(?:{indent}#.*\n)*{indent}([\w-]+):.*\n(?:(?!{indent}[#\w]).*\n)*"
    blocks = list(re.finditer(key, _ended(text), re.MULTILINE))
    return text[: blocks[0].start()] if blocks else text, {block[1]: block[0] for block in blocks}


def _ended(text: str) -> str:
    """With one end of the line."""
    return text.rstrip("\n") + "\n"
