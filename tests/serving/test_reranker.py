"""The model that MLflow keeps scores as the ranker does, from Python and over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.models import get_model_info
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from distilrank.data.tokens import TextTokenizer
from distilrank.rankers.architectures import ARCHITECTURES, load_ranker
from distilrank.rankers.base import RankerConfig
from distilrank.rankers.inputs import text_batch
from distilrank.serving.logged_model import log_reranker

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "create", "delete", "list", "a", "the", "bucket", "fleet", "of", "table"]
QUERY = "create bucket"
PASSAGES = ["create a bucket", "delete the fleet of a table a list of the bucket of the fleet", "", "list"]


RANKERS = {
    "prettr": {"architecture": "prettr", "layers": 2, "join_layer": 1},
    "dot": {"architecture": "dot", "layers": 2, "pooling": "mean"},
}


@pytest.fixture(params=RANKERS)
def ranker(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The directory of a tiny ranker with random weights."""
    backbone = {
        "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64,
    }  # fmt: skip
    config = RankerConfig(
        ranker=RANKERS[request.param], backbone=backbone, query_length=4, passage_length=12,
        cls_token_id=1, sep_token_id=2, pad_token_id=0, mask_token_id=3,
    )  # fmt: skip
    directory = tmp_path / "T1"
    ARCHITECTURES[request.param](config).save_pretrained(directory)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    tokens = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[UNK]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokens))
    return directory


@pytest.fixture
def model(ranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of that ranker as a logged model."""
    # `mlflow models serve` looks for uvicorn there.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    tracking_uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=tracking_uri)
    run = client.create_run(client.create_experiment("distilrank"))
    log_reranker(client, run, "T1", ranker, {})
    outputs = client.get_run(run.info.run_id).outputs
    assert outputs is not None
    mlflow.set_tracking_uri(tracking_uri)
    return f"models:/{outputs.model_outputs[0].model_id}"


def scores_of(ranker: Path) -> Any:
    """The ranker's own scores, and some for a second request without passages."""
    tokenizer = TextTokenizer(ranker)
    scores = load_ranker(ranker)(text_batch([QUERY], 4, tokenizer), text_batch(PASSAGES, 12, tokenizer))
    return [pytest.approx(scores.tolist(), abs=1e-6), []]


REQUESTS = [{"query": QUERY, "passages": PASSAGES}, {"query": "list", "passages": []}]


def test_it_scores_as_the_ranker_does(ranker: Path, model: str) -> None:
    assert mlflow.pyfunc.load_model(model).predict(REQUESTS) == scores_of(ranker)


def test_its_signature_is_its_types(model: str) -> None:
    signature = get_model_info(model).signature
    request = {"passages": {"type": "array", "items": {"type": "string"}}, "query": {"type": "string"}}
    assert signature is not None
    assert simplified(signature.inputs.to_dict()) == [{"type": "object", "properties": request}]
    assert simplified(signature.outputs.to_dict()) == [{"type": "array", "items": {"type": "double"}}]


@pytest.mark.usefixtures("model")
def test_it_holds_no_pickle(tmp_path: Path) -> None:
    files = {file.name for file in (tmp_path / "mlruns").rglob("*") if file.is_file()}
    ranker = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}
    packaging = {"MLmodel", "reranker.py", "requirements.txt", "conda.yaml", "python_env.yaml"}
    assert files == ranker | packaging


@pytest.mark.parametrize("ranker", ["prettr"], indirect=True)
def test_mlflow_serves_it(ranker: Path, model: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    command = ["-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        assert invocation(port, {"inputs": REQUESTS})["predictions"] == scores_of(ranker)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def simplified(schema: Any) -> Any:
    """A schema without saying of everything that it is required."""
    if isinstance(schema, dict):
        return {key: simplified(value) for key, value in schema.items() if key != "required"}
    return [simplified(entry) for entry in schema] if isinstance(schema, list) else schema


def invocation(port: int, body: object) -> Any:
    """What the server answers, once it is up."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionRefusedError)
        time.sleep(0.1)
    raise AssertionError("the server never came up")
