"""Registers what DVC built: each teacher and student once as a version, told apart by DVC's digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import unchanged
from distilrank.config.derived import distillations, encoded_models, model_names, stored_vectors_of
from distilrank.config.names import IMPORTED
from distilrank.config.params import Params
from distilrank.mlflow_client import connect, tracking_uri
from distilrank.redaction import redacted
from distilrank.registry.alone import alone_with_registry
from distilrank.registry.built_by_dvc import BuiltByDvc
from distilrank.registry.evaluated import Evaluated, is_figure
from distilrank.registry.names import Alias, Tag, registered_name, version_with
from distilrank.registry.records import keep
from distilrank.tracking import find_run, model_tags, origin

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

State = Literal["new", "known", "rolled-back"]


@dataclass(frozen=True)
class Registered:
    """The version of a model that is built here, and where to see its run.

    A version that was rolled back does not become challenger again.
    """

    name: str
    version: int
    state: State
    run: str


def register(params: Params) -> list[Registered]:
    """Registers every teacher and student, as challenger unless it is champion or was rolled back.

    The same model with the same index keeps its version, which only gets the figures of a new evaluation. Raises
    MissingInput if something is not as DVC built it, or if the evaluation measured something else.
    """
    dvc = BuiltByDvc()
    built = [_Built.read(params, dvc, model) for model in model_names(params)]
    evaluated = Evaluated.read(params, dvc)
    with alone_with_registry():
        client, experiment_id = connect()
        return [_register(client, experiment_id, one, evaluated) for one in built]


def run_address(client: "MlflowClient", run_id: str) -> str:
    """Where to see a run: its page or, without a server, MLflow's local store."""
    uri = redacted(tracking_uri())
    if not uri.startswith("http"):
        return uri
    return f"{uri.rstrip('/')}/#/experiments/{client.get_run(run_id).info.experiment_id}/runs/{run_id}"


@dataclass(frozen=True)
class _Built:
    """A model that DVC built: its name in the registry, its directories, and their digests as tags.

    `index` is the directory of the exact vectors that it searches.
    """

    name: str
    model: str
    directory: Path
    index: Path | None
    identity: Mapping[Tag, str]
    data: Mapping[Tag, str]

    @classmethod
    def read(cls, params: Params, dvc: BuiltByDvc, model: str) -> Self:
        directory = layout.MODELS / model
        # Vectors that only serve re-ranking by passage id are of no use to a server, which gets texts.
        index = stored_vectors_of(params, model) if model in encoded_models(params, only_searched=True) else None
        places = {Tag.MODEL: directory} | ({Tag.INDEX: index} if index else {})
        identity = {tag: dvc.digest(unchanged(place)) for tag, place in places.items()}
        data = {Tag.COLLECTION: dvc.digest(layout.COLLECTION)}
        if model not in params.given_models():
            data[Tag.TRIPLES] = dvc.digest(_triples(params, model))
        return cls(registered_name(params, model), model, directory, index, identity, data)


def _triples(params: Params, model: str) -> Path:
    """The triples that a model learned from. Those of an import are among the labels."""
    if teacher := params.trained_teachers().get(model):
        return layout.TRIPLES / params.learned_by(teacher)
    trainings = chain.from_iterable(distillations(params, student) for student in params.students)
    training = next(one for one in trainings if one.model == model)
    if training.triples == IMPORTED and training.teacher:
        return layout.LABELS / IMPORTED / training.teacher
    return layout.TRIPLES / training.triples


def _register(client: "MlflowClient", experiment_id: str, built: _Built, evaluated: Evaluated) -> Registered:
    known = _version_of(client, built)
    version = known or _make_version(client, experiment_id, built)
    _tell(client, version, evaluated, built.model)
    ended = Tag.ROLLED_BACK in version.tags
    if not ended:
        _challenge(client, version)
    state: State = "rolled-back" if ended else "known" if known else "new"
    return Registered(built.name, int(version.version), state, run_address(client, version.run_id or ""))


def _challenge(client: "MlflowClient", version: "ModelVersion") -> None:
    """Makes a version the challenger, unless it is champion or another machine makes it champion meanwhile."""
    if _is_champion(client, version):
        return
    client.set_registered_model_alias(version.name, Alias.CHALLENGER, str(version.version))
    if _is_champion(client, version):
        client.delete_registered_model_alias(version.name, Alias.CHALLENGER)


def _is_champion(client: "MlflowClient", version: "ModelVersion") -> bool:
    champion = version_with(client, version.name, Alias.CHAMPION)
    return champion is not None and champion.version == version.version


def _version_of(client: "MlflowClient", built: _Built) -> "ModelVersion | None":
    versions = client.search_model_versions(f"name = '{built.name}'")
    same = [
        version
        for version in versions
        # Older versions lack the tag: they brought no code of their own.
        if Tag.PACKAGE in version.tags
        and all(version.tags.get(tag) == digest for tag, digest in built.identity.items())
    ]
    return max(same, key=lambda version: int(version.version), default=None)


def _make_version(client: "MlflowClient", experiment_id: str, built: _Built) -> "ModelVersion":
    run = find_run(client, experiment_id, built.directory) or _run_for(client, experiment_id, built.directory)
    model_id = _logged_model(client, run, built)
    if not client.search_registered_models(f"name = '{built.name}'"):
        client.create_registered_model(built.name)
    packaged = client.get_logged_model(model_id).tags
    made = {
        Tag.COMMIT: run.data.tags.get("mlflow.source.git.commit", "unknown"),
        Tag.CODE: packaged[Tag.CODE],
        Tag.PACKAGE: packaged[Tag.PACKAGE],
    }
    tags = {str(tag): value for tag, value in {**built.identity, **built.data, **made}.items()}
    return client.create_model_version(built.name, f"models:/{model_id}", run.info.run_id, tags, model_id=model_id)


def _run_for(client: "MlflowClient", experiment_id: str, directory: Path) -> "Run":
    """Makes a run for a model that was trained elsewhere, such as one from DVC's remote."""
    tags = {**origin(), **model_tags(directory)}
    run = client.create_run(experiment_id, run_name=directory.name, tags=tags)
    client.set_terminated(run.info.run_id)
    return client.get_run(run.info.run_id)


def _logged_model(client: "MlflowClient", run: "Run", built: _Built) -> str:
    """The model that the training logged. A model with an index is logged here: the training had no index yet."""
    from distilrank.serving.logged_model import log_ranker

    logged = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
    if logged and not built.index and Tag.PACKAGE in client.get_logged_model(logged[0]).tags:
        return str(logged[0])
    return log_ranker(client, run, built.model, built.directory, built.index, model_tags(built.directory))


def _tell(client: "MlflowClient", version: "ModelVersion", evaluated: Evaluated, model: str) -> None:
    """Gives a version the evaluation's figures that it lacks, and removes outdated ones."""
    if version.tags.get(Tag.RUNS) != evaluated.runs or version.tags.get(Tag.EVALUATION) != evaluated.asked:
        keep(client, version, evaluated.asked, evaluated.measures_of(model), evaluated.means)
    wanted = evaluated.tags_of(model)
    for key in version.tags:
        if key not in wanted and is_figure(key):
            client.delete_model_version_tag(version.name, version.version, key)
    # The evaluation's own tags are set last, so that an update that was cut short is done again.
    for key, value in wanted.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(version.name, version.version, key, value)
