"""A ranker's directory as an MLflow model: typed input and output, safetensors, no pickle."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Run
from mlflow.models import Model

SERVED_RANKER = Path(__file__).with_name("served_ranker.py")


def log_ranker(
    client: MlflowClient, run: Run, name: str, directory: Path, index: Path | None, tags: Mapping[str, str]
) -> str:
    """Logs the ranker in `directory`, with its index if it has one, as a model of `run`; returns the model's id.

    The run lists it only once it is whole.
    """
    model = client.create_logged_model(
        run.info.experiment_id, name, source_run_id=run.info.run_id, model_type="ranker", tags=dict(tags)
    )
    parts = {"ranker": directory} | ({"index": index} if index else {})
    with TemporaryDirectory() as folder:
        packaged = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            packaged,
            python_model=SERVED_RANKER,
            artifacts={what: str(place.absolute()) for what, place in parts.items()},
            # Given, because MLflow would otherwise load the model to find out.
            pip_requirements=[f"distilrank=={version('distilrank')}"],
            mlflow_model=Model(
                artifact_path=model.artifact_location,
                model_uuid=model.model_id,
                run_id=run.info.run_id,
                model_id=model.model_id,
            ),
        )
        client.log_model_artifacts(model.model_id, str(packaged))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)
