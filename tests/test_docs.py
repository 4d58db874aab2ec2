"""The pages: every link leads somewhere, every command that they show is one, and every line fits."""

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any

import pytest
import typer
from dvc.cli.parser import get_main_parser
from pydantic import TypeAdapter
from ruamel.yaml import YAML
from tests.conftest import ROOT

from distilrank.cli.main import app
from distilrank.config.params import Params

DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / folder / "README.md" for folder in ("collections", "infra")),
    ]
)
WIDEST = 120
# Pages of the site that are made when it is built.
MADE = {DOCS / "commands.md"}
# A link, but not in a block of code.
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
ASSIGNED = re.compile(r"[A-Z_]+=")
# Programs whose commands are held against what they take.
CHECKED = ("distilrank", "dvc", "make", "prefect", "python")


def anchors(page: Path) -> set[str]:
    """What can be linked to in a page: its headings, as mkdocs and GitHub name them."""
    prose = BLOCK.sub("", page.read_text("utf-8"))
    headings = [re.sub(r"[`*]|\]\([^)]*\)", "", line) for line in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)]
    slugs = [re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings]
    repeated = [slug for slug, times in Counter(slugs).items() if times > 1]
    assert repeated == [], f"{page}: two headings have one anchor"
    return set(slugs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(BLOCK.sub("", page.read_text("utf-8"))):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if target in MADE:
            continue
        in_the_site = DOCS not in page.parents or DOCS in target.parents
        if not target.exists() or not in_the_site or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_stands_in_the_site() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert named == {str(page.relative_to(DOCS)) for page in [*DOCS.rglob("*.md"), *MADE]}


def test_no_line_is_too_wide() -> None:
    wide = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1)
        if len(line) > WIDEST and not line.startswith("| ")  # a row of a table is one line
    ]
    assert wide == []


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command that a page shows behind a `$`, by its words, and the page."""
    for page in PAGES:
        for _, language, block in BLOCK.findall(page.read_text("utf-8")):
            for line in re.findall(r"^ *\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE):
                if language == "console":
                    for words in simple(re.split(r"\s# ", line)[0]):
                        yield str(page.relative_to(ROOT)), words


def simple(line: str) -> Iterator[list[str]]:
    """The commands of a line, without variables before them and what a shell does with what they print."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split, lexer.commenters = True, ""
    for operates, tokens in groupby(lexer, key=lambda token: set(token) <= {*"|&;>"}):
        words = [*dropwhile(ASSIGNED.match, tokens)]
        if not operates and words and words[0] in CHECKED:
            yield words


SHOWN = [*commands()]


@pytest.mark.parametrize(("page", "words"), [one for one in SHOWN if one[1][0] == "distilrank"], ids=str)
def test_the_command_line_takes_each_command_that_is_shown(page: str, words: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    command = group.get_command(None, words[1])
    assert command, f"{page}: distilrank has no command {words[1]}"
    command.make_context(words[1], words[2:])


def test_dvc_takes_each_command_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["dvc"])  # its parser looks there
    stages = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
    parser = get_main_parser()
    shown = [words for _, words in SHOWN if words[0] == "dvc"]
    assert shown
    for words in shown:
        asked = parser.parse_args(words[1:])
        if asked.cmd == "repro":
            assert {target.partition("@")[0] for target in asked.targets} <= {*stages}, words


def test_make_has_each_target_that_is_shown() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = {word for _, words in SHOWN if words[0] == "make" for word in words[1:] if "=" not in word}
    assert shown and shown <= targets


def test_prefect_has_each_deployment_that_is_shown() -> None:
    deployments = YAML(typ="safe", pure=True).load(ROOT / "prefect.yaml")["deployments"]
    names = {f"{one['entrypoint'].partition(':')[2]}/{one['name']}" for one in deployments}
    shown = {word for _, words in SHOWN if words[0] == "prefect" for word in words if re.fullmatch(r"\w+/\w+", word)}
    assert shown and shown <= names


def test_modules_and_benchmarks_that_are_shown_are_there() -> None:
    for page, words in SHOWN:
        if words[:2] == ["python", "-m"] and not words[2].startswith("distilrank"):
            assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").is_file(), page
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), page


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/changing.md", "docs/teachers.md"])
def test_the_params_that_a_page_shows_are_read(page: str) -> None:
    """Section by section: a page shows entries without what they go with."""
    blocks = [block for _, language, block in BLOCK.findall((ROOT / page).read_text("utf-8")) if language == "yaml"]
    assert blocks
    for block in blocks:
        for section, shown in YAML(typ="safe", pure=True).load(block).items():
            TypeAdapter(Params.model_fields[section].rebuild_annotation()).validate_python(shown)


def test_the_page_of_commands_is_made_without_the_libraries_of_the_commands() -> None:
    """`make docs` installs typer alone, and `--help` answers at once."""
    code = "import sys, distilrank.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "polars", "pydantic"}.isdisjoint(loaded)
