"""`distilrank params`: every key, from the types."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT, Command
from tests.test_floors import HEAVY

from distilrank.cli.params_reference import as_markdown, as_text
from distilrank.config.params import Params
from distilrank.config.reference import reference
from distilrank.errors import ParamsError


def test_the_page_is_as_fresh_as_the_code() -> None:
    page = (ROOT / "docs" / "params.md").read_text()
    assert page == as_markdown(reference()), "renew it: distilrank params --markdown > docs/params.md"


def test_every_section_is_there_in_order_and_every_key_has_a_meaning() -> None:
    entries = reference()
    sections = [entry.path.removesuffix(".NAME") for entry in entries if "." not in entry.path.removesuffix(".NAME")]
    assert sections == [*Params.model_fields]
    keys = [f"{entry.path}.{key.name}" for entry in entries for part in entry.parts for key in part.keys]
    assert {"teachers.NAME.ranker.join_layer", "collection.splits.NAME.qrels", "promotion.no_worse.p_value"} <= {*keys}
    assert [f"{e.path}.{k.name}" for e in entries for part in e.parts for k in part.keys if not k.meaning] == []
    assert [entry.path for entry in entries if not entry.about] == []


def test_a_section_shows_type_range_default_meaning_and_each_choice_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    text = as_text(reference("students"))
    assert "    warmup_share: number from 0, below 1; default 0.1\n        Share of the steps" in text
    for choice in ("cat", "prettr", "colbert", "dot", "tk", "margin-mse", "listwise-kl", "infonce"):
        assert f"\n  {choice} - " in text
    assert "collection" not in text.splitlines()
    assert all(len(line) <= 70 for line in text.splitlines())


def test_what_a_section_shares_with_another_is_told_once() -> None:
    assert {entry.path: entry.see for entry in reference() if entry.see} == {
        "triples.NAME.from.N": "candidates.runs.N",
        "unlabelled.clicks": "candidates.runs.N",
        "baselines.NAME": "teachers.NAME",
        "evaluations.NAME.candidates.runs.N": "candidates.runs.N",
        "students.NAME.ranker": "teachers.NAME.ranker",
        "students.NAME.backbone": "teachers.NAME.backbone",
        "students.NAME.first_phase.loss": "students.NAME.loss",
        "students.NAME.in_batch.loss": "students.NAME.loss",
        "students.NAME.control_loss": "teachers.NAME.loss",
        "students.NAME.training": "teachers.NAME.training",
    }


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"params.yaml: pupils: got no such section, expected one of collection, "):
        reference("pupils")
    with pytest.raises(ParamsError, match=r"studens: got no such section, .*; did you mean students\?$"):
        reference("studens")


def test_the_command_answers_without_anything_heavy(command: Command) -> None:
    code = (
        "import sys; sys.argv = ['distilrank', 'params', 'matrix']; from distilrank.cli.main import app; "
        "app(standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert done.startswith("matrix (required)\n  Which teachers teach which students, and what else is built.\n")
    assert HEAVY.isdisjoint(done.split())
    assert command(ROOT, "distilrank", "params", "--markdown").stdout == (ROOT / "docs" / "params.md").read_text()
