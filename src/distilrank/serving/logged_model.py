"""A ranker's directory as an MLflow model: typed input and output, safetensors, no pickle, and its own code."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Run
from mlflow.models import Model

from distilrank.serving.own_code import (
    CODE_TAG,
    PACKAGE_TAG,
    SERVED_RANKER,
    by_own_name,
    package_digest,
    requirements,
    write_own_code,
)


def log_ranker(
    client: MlflowClient, run: Run, name: str, directory: Path, index: Path | None, tags: Mapping[str, str]
) -> str:
    """Logs the ranker in `directory`, with its index if it has one, as a model of `run`; returns the model's id.

    The run lists it only once it is whole.
    """
    parts = {"ranker": directory} | ({"index": index} if index else {})
    with TemporaryDirectory() as folder:
        packaged, code = Path(folder) / "model", write_own_code(Path(folder))
        model = client.create_logged_model(
            run.info.experiment_id,
            name,
            source_run_id=run.info.run_id,
            model_type="ranker",
            tags={**tags, CODE_TAG: code.name},
        )
        mlflow.pyfunc.save_model(
            packaged,
            python_model=SERVED_RANKER,
            artifacts={what: str(place.absolute()) for what, place in parts.items()},
            code_paths=[str(code)],
            # Otherwise MLflow would load the model to find out.
            pip_requirements=requirements(with_index=index is not None),
            mlflow_model=Model(
                artifact_path=model.artifact_location,
                model_uuid=model.model_id,
                run_id=run.info.run_id,
                model_id=model.model_id,
            ),
        )
        # MLflow ran this file as it is here to read its types. The model's copy imports the code beside it.
        (packaged / SERVED_RANKER.name).write_text(by_own_name(SERVED_RANKER, code.name), "utf-8")
        client.set_logged_model_tags(model.model_id, {PACKAGE_TAG: package_digest(packaged)})
        client.log_model_artifacts(model.model_id, str(packaged))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)
