"""A stage's digest: what changes its result changes it, and nothing else does."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT

from distilrank.artifacts.code import LEFT_OUT, STAGES, Code, libraries
from distilrank.artifacts.own_imports import PACKAGE, imported_files, imported_names, running

CONSTRAINTS = ROOT / "constraints.txt"
TRAININGS = {"teach", "distil"}
Edited = Callable[[str, str, str], set[str]]


def digests(package: Path, constraints: Path = CONSTRAINTS) -> dict[str, str]:
    code = Code(package, constraints)
    return {stage: code.digest(stage) for stage in STAGES}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return digests(PACKAGE)


@pytest.fixture
def edited(before: dict[str, str], tmp_path: Path) -> Edited:
    """Replaces a text in a file of a copy of the package, and tells which digests differ."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(name: str, old: str, new: str) -> set[str]:
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(new.join(text.rsplit(old, 1)))
        return changed(before, digests(copy))

    return edit


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {stage for stage, digest in after.items() if digest != before[stage]}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("errors.py", "; {remedy}", "; now {remedy}"),
        ("stages/test_collection.py", 'got="no test queries"', 'got=f"none of {sets}"'),
        ("losses/base.py", "expected the shape of the scores, {tuple(scores.shape)}", "expected another shape"),
        ("stages/teach.py", '"""teach: a teacher,', '"""teach: someone,'),
        ("losses/base.py", '"""The teacher\'s scores,', '"""Another docstring,'),
        ("losses/base.py", "    # Whether it learns from", "    # If it learns from"),
        ("stages/teach.py", "def teach(params: Params, name: str,", "def teach(\n    params: Params,\n    name: str,"),
        ("stages/begun.py", "import Student, Teacher", "import Matrix, Student, Teacher"),
        ("config/entries.py", "def label_names", "def names_of_labels"),
    ],
)
def test_wording_and_form_change_no_digest(edited: Edited, name: str, old: str, new: str) -> None:
    assert edited(name, old, new) == set()


def test_another_loss_changes_the_trainings_alone(edited: Edited) -> None:
    assert edited("losses/of_a_teacher.py", "clamp(min=0)", "clamp(min=1)") == TRAININGS


def test_what_a_table_chooses_by_the_params_changes_the_stages_that_use_it(edited: Edited) -> None:
    assert edited("data/sources/beir.py", '"corpus.jsonl"', '"passages.jsonl"') == {"collect"}
    ranking = {
        "find", "mine", "teach", "import_model", "score", "score_dev", "distil", "encode", "evaluate", "systems",
        "latency", "audit",
    }  # fmt: skip
    assert edited("rankers/tk/model.py", "import math", "import cmath") == ranking | {"collect"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_module_that_one_stage_reaches_changes_its_digest_alone(edited: Edited, stage: str) -> None:
    last = (PACKAGE / "stages" / f"{stage}.py").read_text().splitlines()[-1]
    assert edited(f"stages/{stage}.py", last, f"{last}\n\n\nADDED = 1") == {stage}


@pytest.mark.parametrize("name", ["template.html.jinja", "style.css"])
def test_a_template_or_style_changes_what_is_written_by_it(edited: Edited, name: str) -> None:
    last = (PACKAGE / "results" / "report" / name).read_text().splitlines()[-1]
    assert edited(f"results/report/{name}", last, f"{last}\n ") == {"report"}


@pytest.mark.parametrize(
    ("library", "sooner", "never"),
    [
        # `collect` has a model write queries, and BM25 look for their passages, where the params ask for that.
        ("torch", {"collect", *TRAININGS, "score", "encode", "evaluate"}, {"tokenize", "candidates", "triples"}),
        ("faiss-cpu", {"index", "evaluate"}, {"collect", "score", "report"}),
        ("pystemmer", {"collect", "candidates", "latency"}, {*TRAININGS}),
        ("botocore", {"collect"}, {*STAGES} - {"collect"}),
        ("pydantic", set(), {*STAGES}),
        ("mlflow", set(), {*STAGES}),
    ],
)  # fmt: skip
def test_another_pin_changes_the_stages_that_compute_by_it(
    before: dict[str, str], tmp_path: Path, library: str, sooner: set[str], never: set[str]
) -> None:
    other, found = re.subn(rf"^{library}==.*$", f"{library}==0", CONSTRAINTS.read_text(), flags=re.MULTILINE)
    assert found == 1
    (tmp_path / "constraints.txt").write_text(other)
    differ = changed(before, digests(PACKAGE, tmp_path / "constraints.txt"))
    assert sooner <= differ
    assert not differ & never


def test_every_library_that_a_stage_computes_by_has_a_pin() -> None:
    code = Code(PACKAGE, CONSTRAINTS)
    own = {PACKAGE.name, *(name.replace("_", "-") for name in sys.stdlib_module_names)}
    for stage in STAGES:
        files = code.reached(stage)
        imported = {library for file in files for library in libraries(set(imported_names(running(file))))}
        assert imported - own <= set(code.pins(files)), stage


def test_no_stage_reaches_what_changes_no_result() -> None:
    code = Code(PACKAGE, CONSTRAINTS)
    reached = {file for stage in STAGES for file in code.reached(stage)}
    imported = {needed for file in reached for needed in imported_files(running(file))}
    assert {PACKAGE / name for name in LEFT_OUT} <= imported
    idle = ["tracking.py", "network_errors.py", "config/params_file.py", "rankers/*/export.py", "cli/*"]
    idle += ["conversion/export.py", "conversion/published.py", "registry/*"]
    for pattern in [*LEFT_OUT, *idle]:
        assert not reached & set(PACKAGE.glob(pattern)), pattern
