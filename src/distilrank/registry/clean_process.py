"""A packaged model asked in a process that has nothing else, as a server would have it."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distilrank.errors import InputError
from distilrank.registry.gates import Gate

_SECONDS_TO_LOAD = 600
# Requests answered at once, so that progress needs no memory for all.
_ASK = """
import json, sys
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
with open(sys.argv[2]) as requests, open(sys.argv[3], "w") as answers:
    for request in requests:
        [answer] = model.predict([json.loads(request)])
        print(json.dumps(answer.model_dump()), file=answers)
"""


class DoesNotAnswer(InputError):
    """A packaged model does not load, or does not answer."""


def answers(model: Path, requests: Sequence[Mapping[str, Any]], seconds: float | None = None) -> list[dict[str, Any]]:
    """What a model says to requests, in their order. Raises DoesNotAnswer."""
    with TemporaryDirectory() as folder:
        asked, said = Path(folder) / "requests", Path(folder) / "answers"
        asked.write_text("".join(f"{json.dumps(request)}\n" for request in requests), "utf-8")
        environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_LOGGING_LEVEL": "ERROR"}
        command = [sys.executable, "-c", _ASK, str(model.absolute()), str(asked), str(said)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise _silent(model, f"nothing within {seconds:.0f} seconds") from None
        if done.returncode:
            raise _silent(model, (done.stderr.strip() or "nothing").splitlines()[-1][:200])
        return [json.loads(line) for line in said.read_text("utf-8").splitlines()]


def loads(model: Path, with_index: bool) -> Gate:
    """A process that has nothing but the model loads it and answers."""
    name = "loads in a clean process"
    requests: list[dict[str, Any]] = [{"query": "a query", "passages": ["a passage", "another"]}]
    if with_index:
        requests.append({"query": "a query", "top_k": 2})
    try:
        said = answers(model, requests, _SECONDS_TO_LOAD)
    except DoesNotAnswer as failure:
        return Gate(name, False, str(failure), {})
    scores = [*said[0]["scores"], *(hit["score"] for answer in said[1:] for hit in answer["hits"])]
    sound = len(said[0]["scores"]) == 2 and all(math.isfinite(score) for score in scores)
    return Gate(name, sound, "it answers" if sound else f"it answers {said}", {"scores": scores})


def _silent(model: Path, got: str) -> DoesNotAnswer:
    return DoesNotAnswer(model, got=got, expected="answers", remedy="register a model that loads")
