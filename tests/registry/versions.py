"""What tests ask of a registered model and its versions."""

import json
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from tests.registry.conftest import Built

from distilrank.config.params import Params
from distilrank.registry.gates import Gate
from distilrank.registry.places import Places, crown
from distilrank.registry.promotion import Decision
from distilrank.registry.register import register

MODEL = "dot-T1"


def name_of(model: str = MODEL) -> str:
    return f"{Path.cwd().name}.{model}"


def aliases(client: MlflowClient) -> dict[str, int]:
    found: dict[str, str] = client.get_registered_model(name_of()).aliases
    return {alias: int(version) for alias, version in found.items()}


def refusals(decision: Decision) -> list[str]:
    return [gate.gate for gate in decision.refused_by]


def refusal_by(gate: str, decision: Decision) -> Gate:
    """What one of the gates that refused says."""
    return next(one for one in decision.refused_by if one.gate == gate)


def decision_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """The last one in the artifacts of the version's run."""
    files = sorted(file.path for file in client.list_artifacts(version.run_id or "", "promotions"))
    mine = [file for file in files if f"/{version.name}-" in file]
    decision: dict[str, Any] = json.loads(Path(client.download_artifacts(version.run_id or "", mine[-1])).read_text())
    return decision


def crowned(built: Built, client: MlflowClient) -> Params:
    """The first version of the model as champion, as a promotion leaves it."""
    params = built.params()
    register(params)
    crown_challenger(client)
    return params


def crown_challenger(client: MlflowClient) -> None:
    """What a promotion does once the gates have let a challenger through: they take seconds."""
    places = Places.read(client, name_of())
    assert places.challenger
    crown(client, places, places.challenger, is_best=True)
