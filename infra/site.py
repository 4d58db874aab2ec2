"""Hooks of mkdocs.yml. They make the page of commands from the code, and keep the site free of other hosts' files."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

COMMANDS = "src/distilrank/cli/main.py"
# What a browser loads by itself. Links that readers click may lead anywhere.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//[^\"]+|<link\b[^>]*\bhref=\"https?://[^>]+"
)
_CANONICAL = re.compile(r'rel="?canonical')
# The list of commands has the beginnings of their summaries; a command's own section has it whole.
_SUMMARY = re.compile(r"^## `distilrank ([a-z-]+)`\n\n(.+)$", re.MULTILINE)
_LISTED = re.compile(r"^\* `([a-z][a-z-]*)`: .*$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Adds the files that are not in docs/."""
    files.append(File.generated(config, "commands.md", content=_commands()))
    files.append(File.generated(config, "assets/mermaid.js", content=_mermaid().read_bytes()))
    return files


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Returns the page unchanged. Raises PluginError if it would load something from another host."""
    loaded = [found for found in _LOADED.findall(output) if not _CANONICAL.search(found)]
    if loaded:
        raise PluginError(f"{page.file.src_uri}: loads {loaded[0]}: put the file into docs/assets")
    return output


def _commands() -> str:
    """Every command with its arguments and options, as in `--help`."""
    done = subprocess.run(
        [sys.executable, "-m", "typer", COMMANDS, "utils", "docs", "--name", "distilrank", "--title", "Commands"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": "src"},  # neither the package nor its libraries are installed here
    )
    if done.returncode:
        raise PluginError(f"the page of commands cannot be made:\n{done.stderr}")
    summaries = dict(_SUMMARY.findall(done.stdout))
    return _LISTED.sub(lambda one: f"* [`{one[1]}`](#distilrank-{one[1]}): {summaries[one[1]]}", done.stdout)


def _mermaid() -> Path:
    """Mermaid's script, which the wheel mermaidx carries. Material would load it from another host."""
    package = find_spec("mermaidx")
    if package is None or package.origin is None:
        raise PluginError("mermaidx is not installed: run make docs, which installs it")
    return Path(package.origin).parent / "assets" / "mermaid.js"
