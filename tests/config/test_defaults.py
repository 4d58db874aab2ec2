"""What params.yaml may leave out, and what stands for it."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from tests.conftest import ROOT, Command

from distilrank.config.params import Params
from distilrank.config.params_file import read_params

WRITTEN: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
OPTIONAL = {name: field for name, field in Params.model_fields.items() if not field.is_required()}
# What the demo builds that the defaults do not.
OTHERWISE_IN_THE_DEMO = {"systems", "teachers", "triples", "unlabelled"}
MERGED = {name: field.default for name, field in OPTIONAL.items() if isinstance(field.default, BaseModel)}


def test_all_sections_have_a_default_but_those_that_say_what_is_built() -> None:
    assert Params.model_fields.keys() - OPTIONAL == {"collection", "backbone", "students", "matrix", "indexes"}


@pytest.mark.parametrize("section", sorted(OPTIONAL.keys() - OTHERWISE_IN_THE_DEMO))
def test_a_section_that_is_left_out_is_as_the_defaults_have_it(section: str) -> None:
    """So that its class and the file of defaults, the two places where a new section stands, cannot part."""
    # Stated figures, budgets and floors are those of the file alone.
    own = {"expected": [], "budgets": {"milliseconds": None, "bytes_per_passage": None}}
    written = {**WRITTEN, "report": WRITTEN["report"] | own, "audit": WRITTEN["audit"] | {"floors": {}}}
    left_out = Params.model_validate({name: values for name, values in written.items() if name != section})
    assert left_out == Params.model_validate(written)


def test_triples_that_are_left_out_are_the_demos_but_for_their_number() -> None:
    left_out = Params.model_validate({name: values for name, values in WRITTEN.items() if name != "triples"}).triples
    demos = Params.model_validate(WRITTEN).triples
    assert left_out.keys() == demos.keys()
    assert all(
        one.model_dump() | {"count": 0} == demos[name].model_dump() | {"count": 0} for name, one in left_out.items()
    )


@pytest.mark.parametrize("section", MERGED)
def test_the_defaults_have_every_key_of_a_section(section: str) -> None:
    assert WRITTEN[section].keys() == type(MERGED[section]).model_fields.keys()


def test_the_tiny_params_need_no_section_that_has_a_default(tmp_path: Path) -> None:
    tiny: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "tests" / "params.tiny.yaml")
    needed = {name: values for name, values in tiny.items() if name not in MERGED}
    YAML(typ="safe", pure=True).dump(needed, tmp_path / "params.yaml")
    assert read_params(tmp_path / "params.yaml").students.keys() == tiny["students"].keys()


@pytest.mark.parametrize(
    ("pattern", "to", "key"),
    [
        (r"labels: .*\n", "", "labels"),
        (r"pairs_per_part: 32, pairs_at_once: 100", "pairs_per_part: 32", "scoring.pairs_at_once"),
        (r"imports: \{\}\n", "", "imports"),
    ],
)
def test_check_refuses_params_without_a_key_that_dvc_asks_for(
    tmp_path: Path, command: Command, pattern: str, to: str, key: str
) -> None:
    """DVC knows no defaults: it would fail."""
    shutil.copyfile(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    text, changes = re.subn(pattern, to, (ROOT / "tests" / "params.tiny.yaml").read_text())
    assert changes == 1
    (tmp_path / "params.yaml").write_text(text)
    read_params(tmp_path / "params.yaml")
    done = command(tmp_path, "distilrank", "check")
    assert (done.returncode, done.stdout) == (2, "")
    section = key.partition(".")[0]
    assert done.stderr == (
        f"distilrank: params.yaml: {key}: got nothing, expected this key, which dvc.yaml names; add it (see "
        f"`distilrank params {section}`), or rewrite the file with `distilrank init`\n"
    )
