"""The names of models in the registry, and the aliases and tags of their versions."""

from enum import StrEnum
from typing import TYPE_CHECKING

from distilrank.config.derived import model_names
from distilrank.config.params import Params
from distilrank.errors import InputError, ParamsError
from distilrank.serving.own_code import CODE_TAG, PACKAGE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


class Alias(StrEnum):
    """Which of a model's versions is served, was served before, may be next, and was the best champion so far."""

    CHAMPION = "champion"
    PREVIOUS = "previous"
    CHALLENGER = "challenger"
    BEST = "best"


class Tag(StrEnum):
    """The tags of a version, beside those of its metrics."""

    MODEL = "dvc.model"
    INDEX = "dvc.index"
    COLLECTION = "dvc.data/collection"
    TRIPLES = "dvc.data/triples"
    COMMIT = "git.commit"
    CODE = CODE_TAG
    PACKAGE = PACKAGE_TAG
    EVALUATION = "evaluation"
    RUNS = "evaluation.runs"
    DECISION = "promotion"
    REFUSED_BY = "promotion refused by"
    FORCED = "promotion forced because"
    CROWNED = "champion since"
    CHAMPION_BEFORE = "champion before"
    BEST_BEFORE = "best champion before"
    ROLLED_BACK = "rolled back"


def registered_name(params: Params, model: str) -> str:
    """`<collection>.<model>`, with digits of a digest after the collection if its params differ from the defaults.

    Raises ParamsError for a model that the params do not define.
    """
    if model not in model_names(params):
        raise ParamsError(
            "registry", got=f"model '{model}'", expected=f"one of {model_names(params)}", remedy="name one of these"
        )
    digits = params.collection.unlike_others()
    return f"{params.collection.called}{f'-{digits}' if digits else ''}.{model}"


def version_with(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    """The version that has the alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def version_numbered(client: "MlflowClient", name: str, number: int) -> "ModelVersion":
    """The version with this number. Raises InputError if there is none."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if int(version.version) == number:
            return version
    raise InputError(name, got=f"version {number}", expected="one that is registered", remedy="look it up in MLflow")
