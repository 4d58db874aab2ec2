"""A project whose models are built, as DVC leaves it, and a real MLflow server."""

import json
import os
import sys
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from tests.conftest import ROOT
from tests.rankers.tiny import save_tiny_ranker
from tests.registry.timed import write_latency
from tests.servers import free_port, server

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.runs import RUN_SCHEMA, write_trec
from distilrank.retrieval.dense import DenseIndex

QUERIES = 40
ARCHITECTURES = {"T1": "cat", "dot": "dot", "dot-T1": "dot"}
INDEXED = ["dot", "dot-T1"]
PASSAGES = {
    "a": "create a bucket", "b": "of the fleet", "c": "delete a fleet", "d": "list the table", "e": "create the table",
}  # fmt: skip


@pytest.fixture(scope="session")
def environment(environment: dict[str, str], tracker: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What commands run with: this server."""
    return environment | {
        "MLFLOW_TRACKING_URI": tracker, "DISTILRANK_CACHE": str(tmp_path_factory.mktemp("registry") / "cache")
    }  # fmt: skip


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps artifacts."""
    return tmp_path_factory.mktemp("mlflow") / "files"


@pytest.fixture(scope="session")
def tracker(store: Path) -> Iterator[str]:
    """The address of an MLflow server."""
    folder, port = store.parent, free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(store)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with server([*command, *places], f"{address}/health", environment, folder / "log"):
        yield address


class Built:
    """A project in the working directory whose collection has a name of its own: five passages, QUERIES queries."""

    def __init__(self, collection: str) -> None:
        values = YAML(typ="safe", pure=True).load(ROOT / "tests" / "params.tiny.yaml")
        values["collection"] = {"source": "beir", "name": collection, "location": "collections/some.zip"}
        values["ensembles"] = {}
        values["teachers"] = {"T1": values["teachers"]["T1"]}
        values["students"] = {"dot": values["students"]["dot"]}
        values["matrix"] = {
            "teachers": ["T1"], "controls": ["dot"], "controls_per_teacher": [], "seeds": [],
        }  # fmt: skip
        self.values = values
        self.means: dict[str, float] = {}
        self.collect({})
        for place in (layout.CANDIDATES, layout.TRIPLES / "bm25"):
            with whole_directory(place, "a stage", {}, []) as draft:
                (draft.path / "content.txt").write_text(str(place))
        for name in ARCHITECTURES:
            self.train(name, seed=0)
        self.evaluate({})

    def params(self, **promotion: object) -> Params:
        self.values["promotion"] |= promotion
        YAML(typ="safe", pure=True).dump(self.values, Path("params.yaml"))
        return read_params()

    def collect(self, relevant: dict[str, str]) -> None:
        """Passage `a` is relevant to each query, unless another is given by the query's id."""
        ids = [f"{number:02}" for number in range(QUERIES)]
        verbs, nouns = ["create", "delete", "list"], ["bucket", "fleet", "table"]
        queries = {"query_id": ids, "text": [f"{verbs[i % 3]} {nouns[i // 3 % 3]}" for i in range(QUERIES)]}
        qrels = {"query_id": ids, "passage_id": [relevant.get(one, "a") for one in ids], "relevance": 1}
        passages = {
            "passage_id": list(PASSAGES), "title": ["", "the list", "", "", ""], "text": list(PASSAGES.values()),
        }  # fmt: skip
        with whole_directory(layout.COLLECTION, "distilrank collect", {}, []) as draft:
            pl.DataFrame(passages).write_parquet(draft.path / "passages.parquet")
            for name, table in {"queries": queries, "qrels": qrels}.items():
                pl.DataFrame(table).with_columns(split=pl.lit("test")).write_parquet(draft.path / f"{name}.parquet")
        self.lock()

    def train(self, name: str, seed: int, in_index: bytes = b"", **files: bytes) -> None:
        """A model, and its vectors if it searches, with files of any content beside their own."""
        with whole_directory(layout.MODELS / name, f"distilrank train {name}", {"seed": seed}, []) as draft:
            save_tiny_ranker(draft.path, ARCHITECTURES[name], seed)
            for file, content in files.items():
                (draft.path / file.replace("_", ".")).write_bytes(content)
        if name in INDEXED:
            with whole_directory(layout.VECTORS / name, "distilrank encode", {}, [layout.MODELS / name]) as draft:
                vectors = np.random.default_rng(seed).normal(size=(5, 32)).astype(np.float32)
                DenseIndex.build(vectors, pl.Series(list(PASSAGES))).write(draft.path)
                if in_index:
                    (draft.path / "large.parquet").write_bytes(in_index)
        self.lock()

    def evaluate(self, means: dict[str, float]) -> None:
        """Measures of what is there with these means, else as before, or .5, that differ from query to query."""
        self.means |= means
        random = np.random.default_rng(0)
        deviations = {name: random.normal(0, 0.02, QUERIES) for name in ["bm25", *ARCHITECTURES]}
        values = {name: self.means.get(name, 0.5) + one - one.mean() for name, one in deviations.items()}
        ids = [f"{number:02}" for number in range(QUERIES)]
        tables = [
            pl.DataFrame({"query_id": ids, "measure": "nDCG@10", "value": value}).select(
                pl.lit(name).alias("ranker"), pl.lit("rerank").alias("task"), pl.all()
            )
            for name, value in values.items()
        ]
        every = [(query_id, passage_id, -float(rank)) for query_id in ids for rank, passage_id in enumerate(PASSAGES)]
        run = pl.DataFrame(every, schema=RUN_SCHEMA, orient="row")
        for name in ["bm25", *ARCHITECTURES]:
            model = [layout.MODELS / name] if name in ARCHITECTURES else []
            index = [layout.VECTORS / name] if name in INDEXED else []
            inputs = [layout.COLLECTION, layout.CANDIDATES, *model, *index]
            with whole_directory(layout.runs_of(name), f"distilrank evaluate {name}", {}, inputs) as draft:
                write_trec(run, draft.path / layout.run_of(name, "rerank").name, name)
        runs = [layout.runs_of(name) for name in ["bm25", *ARCHITECTURES]]
        with whole_directory(layout.MEASURES.parent, "distilrank metrics", {}, runs) as draft:
            pl.concat(tables).write_parquet(draft.path / layout.MEASURES.name)
        write_latency(list(ARCHITECTURES), INDEXED)
        self.lock()

    def lock(self) -> None:
        """What is there, as dvc.lock names it."""
        places = [layout.COLLECTION, layout.CANDIDATES, layout.TRIPLES / "bm25"]
        places += [folder / name for folder in (layout.MODELS, layout.VECTORS) for name in ARCHITECTURES]
        outs = [{"path": str(place), "md5": dvc_digest(place)} for place in places if place.exists()]
        stages = {"all": {"cmd": "a command", "outs": outs}}
        Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}) + "\n")


def dvc_digest(directory: Path) -> str:
    """As DVC 3 documents it: the MD5 of a JSON list of its files' paths and MD5s, in the paths' order."""
    files = sorted((file for file in directory.rglob("*") if file.is_file()), key=lambda file: file.as_posix())
    listed = [
        {"md5": md5(file.read_bytes()).hexdigest(), "relpath": file.relative_to(directory).as_posix()} for file in files
    ]
    return f"{md5(json.dumps(listed).encode()).hexdigest()}.dir"


@pytest.fixture
def built(tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker)
    monkeypatch.setenv("DISTILRANK_CACHE", str(tmp_path / "cache"))
    return Built(tmp_path.name)


@pytest.fixture
def client(tracker: str) -> MlflowClient:
    return MlflowClient(tracking_uri=tracker)
