"""The champion's place: a challenger takes it through gates, and a rollback gives it back."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from distilrank.errors import InputError
from distilrank.mlflow_client import connect, tracking_uri
from distilrank.params import Params
from distilrank.registry.clean_process import answered_alone, is_quick_enough, loads, not_tried, timed_requests
from distilrank.registry.gates import Gate, holds_no_pickle, is_no_worse, is_small_enough, reaches_floors
from distilrank.registry.names import Alias, Tag, registered_name, version_with
from distilrank.registry.register import alone_with_registry, measures_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Decision:
    """Whether a challenger became champion, and what each gate said."""

    name: str
    challenger: int
    champion: int | None
    promoted: bool
    evaluation: str | None
    gates: tuple[Gate, ...]
    at: str

    @property
    def refused_by(self) -> list[Gate]:
        return [gate for gate in self.gates if not gate.passed]


@dataclass(frozen=True)
class Rollback:
    """Which version is champion again, and which one no longer is."""

    name: str
    champion: int
    former: int


def promote(params: Params, model: str) -> Decision:
    """Makes the challenger champion if it passes every gate; the decision is an artifact of its run either way.

    Raises InputError where there is no challenger.
    """
    name = registered_name(params, model)
    with alone_with_registry():
        client, _ = connect()
        challenger, champion = (version_with(client, name, alias) for alias in (Alias.CHALLENGER, Alias.CHAMPION))
        if challenger is None:
            champion_is = f"version {champion.version} as champion" if champion else "no version"
            raise InputError(
                name,
                got=f"no challenger, and {champion_is}",
                expected="a version with the alias challenger",
                remedy="build and register another one: distilrank register",
            )
        decision = _decide(client, params, name, challenger, champion)
        if decision.promoted:
            _crown(client, name, challenger, champion)
        _record(client, challenger, decision)
        return decision


def rollback(params: Params, model: str) -> Rollback:
    """Makes the previous champion champion again. Raises InputError where there is none."""
    name = registered_name(params, model)
    with alone_with_registry():
        client, _ = connect()
        previous, champion = (version_with(client, name, alias) for alias in (Alias.PREVIOUS, Alias.CHAMPION))
        if previous is None or champion is None or previous.version == champion.version:
            raise InputError(
                name,
                got="no previous champion",
                expected="one",
                remedy="promote a challenger, or set the alias champion",
            )
        client.set_registered_model_alias(name, Alias.CHAMPION, str(previous.version))
        client.delete_registered_model_alias(name, Alias.PREVIOUS)
        client.set_model_version_tag(name, champion.version, Tag.ROLLED_BACK, _now())
        return Rollback(name, int(previous.version), int(champion.version))


def _decide(
    client: "MlflowClient", params: Params, name: str, challenger: "ModelVersion", champion: "ModelVersion | None"
) -> Decision:
    asked, rule = challenger.tags.get(Tag.EVALUATION), params.promotion.no_worse
    own = measures_of(client, challenger, asked) if asked else None
    theirs = measures_of(client, champion, asked) if asked and champion else None
    requests = timed_requests(params, Tag.INDEX in challenger.tags)
    with TemporaryDirectory() as folder:
        model = _downloaded(client, challenger, Path(folder))
        harmless = holds_no_pickle(model)
        # What may run when it is read is not read.
        answered = answered_alone(model, requests, params.latency.clients) if harmless.passed else not_tried()
        gates = (
            harmless,
            loads(answered),
            reaches_floors(challenger.tags, params.promotion),
            is_no_worse(own, theirs, rule, champion is None),
            is_quick_enough(answered, params.promotion),
            is_small_enough(model, params.promotion),
        )
    version = int(champion.version) if champion else None
    promoted = all(gate.passed for gate in gates)
    return Decision(name, int(challenger.version), version, promoted, asked, gates, _now())


def _downloaded(client: "MlflowClient", version: "ModelVersion", folder: Path) -> Path:
    """The files that a server would load."""
    from mlflow.artifacts import download_artifacts

    # By their place, because models:/ goes by what MLflow was last told in this process.
    place = client.get_model_version_download_uri(version.name, str(version.version))
    return Path(download_artifacts(artifact_uri=place, dst_path=str(folder), tracking_uri=tracking_uri()))


def _crown(client: "MlflowClient", name: str, challenger: "ModelVersion", champion: "ModelVersion | None") -> None:
    """In an order that leaves a champion, and the way back to the former one, wherever it is cut short."""
    if champion:
        client.set_registered_model_alias(name, Alias.PREVIOUS, str(champion.version))
    client.set_registered_model_alias(name, Alias.CHAMPION, str(challenger.version))
    client.delete_registered_model_alias(name, Alias.CHALLENGER)


def _record(client: "MlflowClient", challenger: "ModelVersion", decision: Decision) -> None:
    record: dict[str, Any] = asdict(decision)
    client.log_dict(challenger.run_id or "", record, f"promotions/{decision.name}-{decision.at}.json")
    tags = {
        Tag.DECISION: f"{'promoted' if decision.promoted else 'refused'} {decision.at}",
        Tag.REFUSED_BY: ", ".join(gate.gate for gate in decision.refused_by) or "none",
    }
    for tag, value in tags.items():
        client.set_model_version_tag(decision.name, str(decision.challenger), tag, value)


def _now() -> str:
    """To the microsecond, so that no two decisions share a file."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%fZ")
