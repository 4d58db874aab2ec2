"""A project whose models are built, as DVC leaves it, and a real MLflow server."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.conftest import ROOT
from tests.rankers.tiny import save_tiny_ranker
from tests.registry.timed import write_collection, write_latency, write_run
from tests.servers import free_port, server

from distilrank import layout
from distilrank.artifacts import digest, whole_directory, write_json
from distilrank.params import Params
from distilrank.params_file import read_params
from distilrank.retrieval.dense import DenseIndex

QUERIES = 40
ARCHITECTURES = {"T1": "cat", "dot": "dot", "dot-T1": "dot"}
INDEXED = ["dot", "dot-T1"]


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with server([*command, *store], f"{address}/health", os.environ | {"PATH": path}, folder / "log"):
        yield address


class Built:
    """A project in the working directory whose collection has a name of its own."""

    def __init__(self, collection: str) -> None:
        values = YAML(typ="safe", pure=True).load(ROOT / "tests" / "params.tiny.yaml")
        values["collection"] = {"source": "beir", "location": f"collections/{collection}.zip"}
        values["ensembles"] = {}
        values["teachers"] = {"T1": values["teachers"]["T1"]}
        values["students"] = {"dot": values["students"]["dot"]}
        values["matrix"] = {
            "teachers": ["T1"], "controls": ["dot"], "controls_per_teacher": [], "indexes": ["dot"], "seeds": [],
        }  # fmt: skip
        self.values = values
        for place in (layout.COLLECTION, layout.CANDIDATES, layout.TRIPLES):
            with whole_directory(place, "a stage", {}, []) as draft:
                (draft.path / "content.txt").write_text(str(place))
                if place == layout.COLLECTION:
                    write_collection(draft.path)
        for name in ARCHITECTURES:
            self.train(name, seed=0)
        self.evaluate({})

    def params(self, **promotion: object) -> Params:
        self.values["promotion"] |= promotion
        YAML(typ="safe", pure=True).dump(self.values, Path("params.yaml"))
        return read_params()

    def train(self, name: str, seed: int) -> None:
        """A model, and its index if it has one."""
        with whole_directory(layout.MODELS / name, f"distilrank train {name}", {"seed": seed}, []) as draft:
            save_tiny_ranker(draft.path, ARCHITECTURES[name], seed)
        if name in INDEXED:
            with whole_directory(layout.INDEXES / name, "distilrank index", {}, [layout.MODELS / name]) as draft:
                vectors = np.random.default_rng(seed).normal(size=(5, 32)).astype(np.float32)
                DenseIndex.build(vectors, pl.Series(list("abcde"))).write(draft.path)
        self.lock()

    def evaluate(self, means: dict[str, float]) -> None:
        """Measures with these means, else .5, that differ from query to query."""
        random = np.random.default_rng(len(means))
        deviations = {name: random.normal(0, 0.1, QUERIES) for name in ARCHITECTURES}
        values = {name: means.get(name, 0.5) + one - one.mean() for name, one in deviations.items()}
        tables = [
            pl.DataFrame(
                {"query_id": [str(number) for number in range(QUERIES)], "measure": "nDCG@10", "value": value}
            ).select(pl.lit(name).alias("ranker"), pl.lit("rerank").alias("task"), pl.all())
            for name, value in values.items()
        ]
        with whole_directory(layout.RUNS, "distilrank evaluate", {}, []) as draft:
            pl.concat(tables).write_parquet(draft.path / "measures.parquet")
            write_run(draft.path)
        write_json(layout.METRICS, {"rerank": {name: {"nDCG@10": float(v.mean())} for name, v in values.items()}})
        write_latency(list(ARCHITECTURES), INDEXED)
        self.lock()

    def lock(self) -> None:
        """What is there, as dvc.lock names it."""
        places = [layout.COLLECTION, layout.CANDIDATES, layout.TRIPLES]
        places += [folder / name for folder in (layout.MODELS, layout.INDEXES) for name in ARCHITECTURES]
        outs = [{"path": str(place), "md5": f"{digest(place)[:32]}.dir"} for place in places if place.exists()]
        Path("dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"all": {"outs": outs}}}))


@pytest.fixture
def built(tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker)
    monkeypatch.setenv("DISTILRANK_CACHE", str(tmp_path / "cache"))
    return Built(tmp_path.name)
