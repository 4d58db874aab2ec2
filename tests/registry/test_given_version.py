"""A registered model as a teacher, by its version in a real MLflow."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.registry.conftest import Built
from tests.registry.versions import name_of

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.errors import CheckpointError, InputError, Unreachable
from distilrank.model import Model
from distilrank.registry.fetched import refuse_absent_version
from distilrank.registry.register import register
from distilrank.sections.checkpoints import GivenModel
from distilrank.stages.import_model import import_model
from distilrank.stages.located import located

pytestmark = pytest.mark.slow(10)
PASSAGES = ["create a bucket", "list the table of a fleet"]


def of_version(built: Built, number: int) -> Params:
    """The project's params with the version of T1 as a teacher beside it."""
    old = {"checkpoint": f"models:/{name_of('T1')}/{number}"}
    built.values["teachers"] |= {"Old": old}
    return Params.model_validate(built.values)


def test_a_registered_version_teaches_with_the_scores_that_it_had(built: Built, client: MlflowClient) -> None:
    register(built.params())
    before = Model.load(layout.MODELS / "T1").score("create bucket", PASSAGES).tolist()
    built.train("T1", seed=5)
    import_model(of_version(built, 1), "Old")
    assert Model.load(layout.MODELS / "Old").score("create bucket", PASSAGES).tolist() == before
    assert Model.load(layout.MODELS / "T1").score("create bucket", PASSAGES).tolist() != before


def test_a_version_that_is_not_there_is_refused(built: Built, client: MlflowClient) -> None:
    register(built.params())
    with pytest.raises(InputError, match="got version 9, expected one that is registered"):
        refuse_absent_version(f"models:/{name_of('T1')}/9")


def test_a_version_whose_files_were_changed_is_refused(built: Built, client: MlflowClient, store: Path) -> None:
    register(built.params())
    version = client.get_model_version(name_of("T1"), "1")
    client.delete_model_version_tag(version.name, version.version, "dvc.model")
    section = GivenModel(checkpoint=f"models:/{name_of('T1')}/1")
    with pytest.raises(CheckpointError, match="ranker: it is not the one that was registered"), located(section):
        pass


def test_a_server_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Unreachable, match="no answer from MLflow"), located(GivenModel(checkpoint="models:/x/1")):
        pass
