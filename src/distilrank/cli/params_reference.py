"""The reference of params.yaml, for a terminal and as docs/params.md."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator

from distilrank.config.reference import Entry, Key

_HEADING = """\
# Parameters

What each key of `params.yaml` takes and means. `NAME` is a name of your own, `N` a place in a list. The types in `src`
are the home of these facts: `distilrank params --markdown > docs/params.md` writes this page from them.
"""
_MARKDOWN_WIDTH = 120


def as_text(entries: Iterable[Entry]) -> str:
    """The reference as text, no wider than the terminal."""
    width = shutil.get_terminal_size().columns
    return "\n".join("\n".join(_text(entry, width)) + "\n" for entry in entries)


def as_markdown(entries: Iterable[Entry]) -> str:
    return "\n".join([_HEADING, *("\n".join(_markdown(entry)) + "\n" for entry in entries)])


def _text(entry: Entry, width: int) -> Iterator[str]:
    yield entry.path + (" (required)" if _is_required_section(entry) else "")
    yield from _wrapped(_about(entry), width, "  ")
    for part in entry.parts:
        yield ""
        if part.of:
            yield from _wrapped(_titled(part.of, part.about), width, "  ")
        for key in part.keys:
            yield from _wrapped(f"{key.name}: {_takes(key)}", width, "    ", "      ")
            yield from _wrapped(key.meaning, width, "        ")


def _markdown(entry: Entry) -> Iterator[str]:
    is_nested = "." in entry.path.removesuffix(".NAME")
    yield f"{'###' if is_nested else '##'} {entry.path}"
    required = "Required. " if _is_required_section(entry) else ""
    if about := required + _about(entry):
        yield ""
        yield from _wrapped(about, _MARKDOWN_WIDTH)
    for part in entry.parts:
        yield ""
        if part.of:
            yield from _wrapped(_titled([f"**{name}**" for name in part.of], part.about), _MARKDOWN_WIDTH)
            yield from [""] * bool(part.keys)
        for key in part.keys:
            yield from _wrapped(f"- `{key.name}` ({_takes(key)}). {key.meaning}", _MARKDOWN_WIDTH, "", "  ")


def _is_required_section(entry: Entry) -> bool:
    """Whether it is a top-level section that is required. A key inside a section says this itself."""
    return entry.required and "." not in entry.path.removesuffix(".NAME")


def _about(entry: Entry) -> str:
    return f"{entry.about} As {entry.see}.".strip() if entry.see else entry.about


def _titled(names: list[str], about: str) -> str:
    return ", ".join(names) + (f" - {about}" if about else "")


def _takes(key: Key) -> str:
    return f"{key.kind}; " + ("required" if key.default is None else f"default {key.default}")


def _wrapped(text: str, width: int, first: str = "", others: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=first if others is None else others, break_on_hyphens=False
    )
