"""The stages that DVC would build again, and why."""

from pathlib import Path
from typing import Any, NamedTuple

from distilrank.errors import InputError


class State(NamedTuple):
    """The number of all stages, those whose output is not here, and the changed stages with what changed."""

    stages: int
    absent: list[str]
    stale: dict[str, list[str]]


def state() -> State:
    """The state of the project in this directory. Raises InputError if DVC cannot tell."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(str(Path.cwd())) as repo:
            every = len(repo.index.stages)
            changes: dict[str, list[Any]] = repo.status()
    except LockError as error:
        remedy = "wait for it, then try again; `ps` shows its process"
        raise InputError("DVC", got="a build that runs here", expected="none", remedy=remedy) from error
    except DvcException as error:
        remedy = "correct the file that it names"
        raise InputError("DVC", got=error, expected="stages that it can read", remedy=remedy) from error
    told = {stage: _told(changed) for stage, changed in changes.items()}
    absent = [stage for stage, changed in changes.items() if _is_absent(changed)]
    return State(every, absent, {stage: words for stage, words in told.items() if stage not in absent})


def _is_absent(changed: list[Any]) -> bool:
    outputs = [state for one in changed if isinstance(one, dict) for state in one.get("changed outs", {}).values()]
    return "deleted" in outputs


def _told(changed: list[Any]) -> list[str]:
    """What changed, such as `data/collection`, `params.yaml: tokens` or `command`."""
    words = [one.removeprefix("changed ") for one in changed if isinstance(one, str)]
    for one in changed:
        for states in one.values() if isinstance(one, dict) else ():
            for place, state in states.items():
                words += [f"{place}: {key}" for key in state] if isinstance(state, dict) else [place]
    return list(dict.fromkeys(words))
