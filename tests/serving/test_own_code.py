"""A model serves by the code that it was logged with, and says what that takes."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import mlflow
import pytest
from mlflow.pyfunc import get_model_dependencies
from tests.serving.conftest import PASSAGES, QUERY, scores_of

from distilrank.rankers.dot.model import DotRanker
from distilrank.serving.own_code import requirements, serving_files

pytestmark = pytest.mark.slow(20)


@pytest.mark.parametrize("ranker", ["dot"], indirect=True)
def test_a_class_that_changed_since_changes_no_model(ranker: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scores_of(ranker)
    monkeypatch.setattr(DotRanker, "interact", None)
    with pytest.raises(TypeError):
        scores_of(ranker)
    [answer] = mlflow.pyfunc.load_model(model).predict([{"query": QUERY, "passages": PASSAGES}])
    assert answer.scores == pytest.approx(before, abs=1e-6)


def test_what_it_imports_is_required_in_an_exact_version() -> None:
    installed = packages_distributions()
    imported = {name.partition(".")[0] for file in serving_files() for name in imports_of(file)}
    third_party = imported - set(sys.stdlib_module_names) - {"distilrank"}
    needed = {distribution for name in third_party for distribution in installed[name]}
    required = dict(line.split("==") for line in requirements(with_index=True))
    assert needed - {"mlflow-skinny", "mlflow-tracing"} <= set(required)
    assert all(version[0].isdigit() and "+" not in version for version in required.values())


@pytest.mark.parametrize("ranker", ["prettr"], indirect=True)
def test_a_model_without_an_index_requires_no_faiss(model: str) -> None:
    asked = Path(get_model_dependencies(model)).read_text()
    assert "torch==" in asked
    assert "faiss" not in asked
    assert "distilrank" not in asked


def imports_of(file: Path) -> list[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
