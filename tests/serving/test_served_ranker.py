"""The model that MLflow keeps scores and finds as the ranker does, from Python and over HTTP."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import get_model_info
from tests.servers import free_port, server
from tests.serving.conftest import IDS, PASSAGES, QUERY, scores_of

pytestmark = pytest.mark.slow(25)

REQUESTS = [{"query": QUERY, "passages": PASSAGES}, {"query": "list", "passages": []}]
NOT_ANSWERED = {
    "got no words": {"query": "  ", "passages": ["a"]},
    "expected either passages": {"query": "list"},
    "expected either passages, to score them, or top_k": {"query": "list", "passages": ["a"], "top_k": 2},
    "passages: got 1001, expected at most 1000": {"query": "list", "passages": ["a"] * 1001},
    "Field required": {"passages": ["a"]},
    "Extra inputs are not permitted": {"query": "list", "top-k": 2},
    "Input should be a valid string": {"query": 7, "passages": ["a"]},
}


def test_it_scores_as_the_ranker_does(ranker: Path, model: str) -> None:
    [first, second] = mlflow.pyfunc.load_model(model).predict(REQUESTS)
    assert first.scores == pytest.approx(scores_of(ranker), abs=1e-6)
    assert second.scores == []


@pytest.mark.parametrize("ranker", ["dot"], indirect=True)
def test_it_finds_what_scores_highest(ranker: Path, model: str) -> None:
    [answer] = mlflow.pyfunc.load_model(model).predict([{"query": QUERY, "top_k": 3}])
    best = sorted(zip(scores_of(ranker), IDS, strict=True), reverse=True)[:3]
    assert [hit.passage_id for hit in answer.hits] == [passage_id for _, passage_id in best]
    assert [hit.score for hit in answer.hits] == pytest.approx([score for score, _ in best], abs=1e-5)


@pytest.mark.parametrize("ranker", ["dot"], indirect=True)
@pytest.mark.parametrize("top_k", [0, 1001])
def test_it_finds_no_more_than_it_may(model: str, top_k: int) -> None:
    with pytest.raises(MlflowException, match=f"top_k: got {top_k}, expected 1 to 1000"):
        mlflow.pyfunc.load_model(model).predict([{"query": QUERY, "top_k": top_k}])


@pytest.mark.parametrize("ranker", ["prettr"], indirect=True)
def test_it_finds_nothing_without_an_index(model: str) -> None:
    with pytest.raises(MlflowException, match="this model has no index"):
        mlflow.pyfunc.load_model(model).predict([{"query": QUERY, "top_k": 3}])


def test_its_signature_is_its_types(model: str) -> None:
    signature = get_model_info(model).signature
    request = {
        "query": {"type": "string"},
        "passages": {"type": "array", "items": {"type": "string"}},
        "top_k": {"type": "long"},
    }
    hit = {"passage_id": {"type": "string"}, "score": {"type": "double"}}
    answer = {
        "scores": {"type": "array", "items": {"type": "double"}},
        "hits": {"type": "array", "items": {"type": "object", "properties": hit}},
    }
    assert signature is not None
    assert simplified(signature.inputs.to_dict()) == [{"type": "object", "properties": request}]
    assert simplified(signature.outputs.to_dict()) == [{"type": "object", "properties": answer}]


@pytest.mark.usefixtures("model")
def test_it_holds_no_pickle(index: Path | None, tmp_path: Path) -> None:
    files = {file.name for file in (tmp_path / "mlruns").rglob("*") if file.is_file()}
    ranker = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "manifest.json"}
    packaging = {"MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml"}
    indexed = {"vectors.npy", "passage_ids.parquet"} if index else set()
    assert {file for file in files if not file.endswith(".py")} == ranker | packaging | indexed


@pytest.mark.parametrize("ranker", ["dot"], indirect=True)
def test_mlflow_serves_it_where_another_distilrank_is_installed(ranker: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "other" / "distilrank").mkdir(parents=True)
    (tmp_path / "other" / "distilrank" / "__init__.py").write_text("raise RuntimeError('not the code of this model')")
    with serving(model, tmp_path) as port:
        status, answer = ask(port, {"inputs": [*REQUESTS, {"query": QUERY, "top_k": 1}]})
        assert status == 200, answer
        [scored, empty, found] = answer["predictions"]
        scores = scores_of(ranker)
        assert scored["scores"] == pytest.approx(scores, abs=1e-6)
        assert empty["scores"] == []
        [hit] = found["hits"]
        assert hit["passage_id"] == IDS[scores.index(max(scores))]
        for reason, request in NOT_ANSWERED.items():
            status, answer = ask(port, {"inputs": [request]})
            assert status == 400, answer
            assert reason in answer["message"]
        assert ask(port, {"queries": []})[0] == 400
        assert ask(port, b"{")[0] == 400


def simplified(schema: Any) -> Any:
    """A schema without saying what is required."""
    if isinstance(schema, dict):
        return {key: simplified(value) for key, value in schema.items() if key != "required"}
    return [simplified(entry) for entry in schema] if isinstance(schema, list) else schema


@contextmanager
def serving(model: str, folder: Path) -> Iterator[int]:
    """A server of the model, and its port once it is up."""
    port = free_port()
    # `mlflow models serve` looks for uvicorn on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "PATH": path}
    environment["PYTHONPATH"] = str(folder / "other")
    command = ["-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port)]
    with server([sys.executable, *command], f"http://127.0.0.1:{port}/ping", environment, folder / "log"):
        yield port


def ask(port: int, body: object) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"http://127.0.0.1:{port}/invocations", content=content, headers=headers, timeout=30)
    return answer.status_code, answer.json()
