"""Promotion: a challenger becomes champion if it passes the gates."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from distilrank.config.params import Params
from distilrank.errors import InputError, ScoreError
from distilrank.mlflow_client import connect
from distilrank.redaction import redacted
from distilrank.registry.alone import alone_with_registry
from distilrank.registry.as_served import CannotBeMeasured, measured_as_served
from distilrank.registry.built_by_dvc import BuiltByDvc
from distilrank.registry.clean_process import is_quick_enough, timed_requests
from distilrank.registry.evaluated import asked as asked_here
from distilrank.registry.gates import (
    Comparison,
    Gate,
    compared,
    is_no_worse,
    reaches_floors,
    was_not_rolled_back,
)
from distilrank.registry.names import Tag, registered_name, version_numbered
from distilrank.registry.packaged import downloaded, file_gates, is_small_enough
from distilrank.registry.places import Places, crown, no_longer_challenger, now
from distilrank.registry.records import keep, means_of, measures_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class Decision:
    """Whether a challenger became champion, and what each gate said.

    `gains` is the first comparison that succeeded: with the champion, or else with the best version so far.
    """

    name: str
    challenger: int
    champion: int | None
    promoted: bool
    is_best: bool
    gains: Comparison | None
    evaluation: str
    gates: tuple[Gate, ...]
    at: str

    @property
    def refused_by(self) -> list[Gate]:
        return [gate for gate in self.gates if not gate.passed]


def promote(params: Params, model: str, version: int | None = None, because: str | None = None) -> Decision:
    """Makes the challenger, or `version`, champion if it passes every gate, and logs the decision in its run.

    `because` is the reason for promoting a version that was rolled back, or for skipping a champion that cannot be
    measured. Raises InputError if there is no challenger, or if the champion lacks figures in the challenger's
    evaluation and the data of that evaluation are not here.
    """
    name = registered_name(params, model)
    if because is not None and not because.strip():
        raise InputError("--force", got="no reason", expected="a reason that others can read", remedy="give one")
    with alone_with_registry():
        client, _ = connect()
        places = Places.read(client, name)
        challenger = places.challenger if version is None else version_numbered(client, name, version)
        champion = places.champion
        if challenger and champion and challenger.version == champion.version:
            no_longer_challenger(client, challenger)  # an earlier promotion was cut short
            challenger = None
        if challenger is None:
            raise InputError(
                name,
                got=f"no challenger, and {f'version {champion.version}' if champion else 'no version'} as champion",
                expected="a version with the alias challenger",
                remedy="build and register another one: distilrank register",
            )
        decision = _decide(client, params, model, places, challenger, because)
        _keep_reason(client, challenger, because)
        if decision.promoted:
            crown(client, places, challenger, decision.is_best)
        _record(client, challenger, decision)
        return decision


def _decide(
    client: "MlflowClient",
    params: Params,
    model: str,
    places: Places,
    challenger: "ModelVersion",
    because: str | None,
) -> Decision:
    asked, own = _figures(client, challenger)
    has_index = Tag.INDEX in challenger.tags
    requests = timed_requests(params, has_index)
    comparisons = [_compared(client, params, own, former, asked) for former in places.former()]
    with TemporaryDirectory() as folder:
        files = downloaded(client, challenger, Path(folder))
        file_decisions, answered = file_gates(files, challenger, requests, params.latency.clients)
        gates = (
            *file_decisions,
            was_not_rolled_back(challenger.tags, because),
            reaches_floors(params, model, means_of(client, challenger, asked), has_index),
            is_no_worse(comparisons, params.no_worse(), because),
            is_quick_enough(answered, params.promotion),
            is_small_enough(files, params.promotion),
        )
    return Decision(
        challenger.name,
        int(challenger.version),
        int(places.champion.version) if places.champion else None,
        promoted=all(gate.passed for gate in gates),
        # A version that could not be compared counts for nothing here: such a promotion was forced.
        is_best=all(one.challenger >= one.champion for one in comparisons if isinstance(one, Comparison)),
        gains=next((one for one in comparisons if isinstance(one, Comparison)), None),
        evaluation=asked,
        gates=gates,
        at=now(),
    )


def _compared(
    client: "MlflowClient", params: Params, own: pl.DataFrame, champion: "ModelVersion", asked: str
) -> Comparison | str:
    """A comparison with a champion, or why there is none."""
    from mlflow.exceptions import MlflowException

    try:
        measures = _measures(client, params, champion, asked)
    except (CannotBeMeasured, ScoreError, MlflowException, OSError) as fault:
        return f"version {champion.version} cannot be compared with: {redacted(str(fault))}"
    return compared(own, measures, int(champion.version), params.no_worse())


def _figures(client: "MlflowClient", challenger: "ModelVersion") -> tuple[str, pl.DataFrame]:
    """The `asked` of the version's evaluation, and its measures. Raises InputError if it has none."""
    asked = challenger.tags.get(Tag.EVALUATION)
    own = measures_of(client, challenger, asked) if asked else None
    if asked is None or own is None:
        raise InputError(
            f"{challenger.name} version {challenger.version}",
            got="no figures",
            expected="those of an evaluation",
            remedy="register it where it was built: distilrank register",
        )
    return asked, own


def _measures(client: "MlflowClient", params: Params, version: "ModelVersion", asked: str) -> pl.DataFrame:
    """A champion's measures: those registered with an evaluation, or else measured here and kept."""
    task = params.no_worse().task
    known = measures_of(client, version, asked)
    if known is not None and task in known["task"]:
        return known
    if asked_here(params, BuiltByDvc()) != asked:
        raise InputError(
            f"{version.name} version {version.version}",
            got="no figures in the challenger's evaluation, whose data or params are not here",
            expected="the data and params that the challenger was registered with",
            remedy="promote it where they are, or register here: distilrank register",
        )
    with TemporaryDirectory() as folder:
        measured = measured_as_served(params, downloaded(client, version, Path(folder)), version, task)
    measures = measured if known is None else pl.concat([known.select(measured.columns), measured])
    keep(client, version, asked, measures, means_of(client, version, asked))
    return measures


def _keep_reason(client: "MlflowClient", challenger: "ModelVersion", because: str | None) -> None:
    """Records the reason of this decision, and drops that of an earlier one."""
    if because:
        client.set_model_version_tag(challenger.name, challenger.version, Tag.FORCED, because)
    elif Tag.FORCED in challenger.tags:
        client.delete_model_version_tag(challenger.name, challenger.version, Tag.FORCED)


def _record(client: "MlflowClient", challenger: "ModelVersion", decision: Decision) -> None:
    record: dict[str, Any] = asdict(decision)
    client.log_dict(challenger.run_id or "", record, f"promotions/{decision.name}-{decision.at}.json")
    tags = {
        Tag.DECISION: f"{'promoted' if decision.promoted else 'refused'} {decision.at}",
        Tag.REFUSED_BY: ", ".join(gate.gate for gate in decision.refused_by) or "none",
    }
    for tag, value in tags.items():
        client.set_model_version_tag(decision.name, str(decision.challenger), tag, value)
