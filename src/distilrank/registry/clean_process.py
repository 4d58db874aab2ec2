"""The gates that a model passes in a process with nothing but the model's files: it answers, and quickly.

The process reads no Python settings and no folder of the project. Of the environment it has only what describes the
machine and how rankers compute on it.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distilrank.config.params import Params
from distilrank.evaluation import latency
from distilrank.evaluation.latency import CONCURRENT, SINGLE, TOP_K
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.registry import answers_alone
from distilrank.registry.gates import Gate
from distilrank.results.timed_queries import timed_queries
from distilrank.sections.measuring import Promotion

LOADS, LATENCY = "loads in a clean process", "latency"
SECONDS = 600.0
# Variables of the machine and of how rankers compute on it: no credentials, no address, no folder of this project.
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
)
_KEPT_OF_OURS = ("DISTILRANK_DEVICE", "DISTILRANK_ACCELERATION")
_SET = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "DO_NOT_TRACK": "true",
    # Files that the model lacks are not fetched.
    "HF_HUB_OFFLINE": "1",
}
Requests = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Answered:
    """What the process reported: why it failed, or answers and milliseconds by task, and the machine."""

    requests: Requests
    failure: str | None = None
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    milliseconds: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    machine: str = ""


def made_up_requests(with_index: bool) -> Requests:
    """Made-up requests, which show that a model answers where there are no queries."""
    reranking = {RERANK: [{"query": "a query", "passages": ["a passage", "another"]}]}
    return reranking | ({RETRIEVE: [{"query": "a query", "top_k": 2}]} if with_index else {})


def timed_requests(params: Params, with_index: bool) -> Requests:
    """Requests from this project's test queries and their candidates. Raises MissingInput."""
    queries = timed_queries(params)
    reranking = {RERANK: [{"query": query.text, "passages": query.passages} for query in queries]}
    searching = {RETRIEVE: [{"query": query.text, "top_k": TOP_K} for query in queries]}
    return reranking | (searching if with_index else {})


def answered_alone(model: Path, requests: Requests, clients: int = 0, seconds: float = SECONDS) -> Answered:
    """The answers of a process that has nothing but the model; timed if `clients` is above 0."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "requests.json"
        file.write_text(json.dumps({"requests": requests, "clients": clients}), "utf-8")
        # -I ignores PYTHONPATH, the user's packages and the folder. -B writes no bytecode beside the model's files.
        command = [sys.executable, "-I", "-B", answers_alone.__file__, model.absolute(), file, latency.__file__]
        environment = {name: os.environ[name] for name in (*_KEPT, *_KEPT_OF_OURS) if name in os.environ}
        try:
            done = subprocess.run(
                [str(part) for part in command],
                cwd=folder, env=environment | _SET | {"HOME": folder},
                capture_output=True, text=True, timeout=seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Answered(requests, f"it took more than {seconds:.0f} seconds")
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1][:200]
        return Answered(requests, f"{last} (exit code {done.returncode})")
    return Answered(requests, **json.loads(done.stdout.splitlines()[-1]))


def not_tried() -> Answered:
    """The answer of a model that must not be loaded."""
    return Answered({}, "it was not tried")


def loads(answered: Answered) -> Gate:
    """Passes if the model loads, gives each passage a finite score, and finds passages if it searches."""
    if answered.failure:
        return Gate(LOADS, False, answered.failure, {})
    figures: dict[str, Any] = {task: answers[0] for task, answers in answered.answers.items()}
    for task, requests in answered.requests.items():
        for request, answer in zip(requests, answered.answers[task], strict=True):
            if not _is_sound(request, answer):
                return Gate(LOADS, False, f"it answers {str(answer)[:200]}", figures)
    return Gate(LOADS, True, "it answers", figures)


def is_quick_enough(answered: Answered, budget: Promotion) -> Gate:
    """Passes if the median time of a single request on this machine is within the budget, for re-ranking and search."""
    figures: dict[str, Any] = {
        "machine": answered.machine,
        "allowed": budget.milliseconds,
        "milliseconds": answered.milliseconds,
    }
    if not answered.milliseconds:
        return Gate(LATENCY, False, "it was not timed", figures)
    told = ", ".join(f"{task} {_told(times)}" for task, times in answered.milliseconds.items())
    why = f"{told}; {budget.milliseconds:g} ms allowed; on {answered.machine}"
    passed = all(times[SINGLE]["median"] <= budget.milliseconds for times in answered.milliseconds.values())
    return Gate(LATENCY, passed, why, figures)


def _told(times: dict[str, dict[str, float]]) -> str:
    return f"{times[SINGLE]['median']:.1f} ms ({times[CONCURRENT]['median']:.1f} among others)"


def _is_sound(request: dict[str, Any], answer: dict[str, Any]) -> bool:
    scores, hits = answer["scores"] or [], answer["hits"] or []
    enough = len(scores) == len(request["passages"]) if "passages" in request else 0 < len(hits) <= request["top_k"]
    return enough and all(math.isfinite(score) for score in [*scores, *(hit["score"] for hit in hits)])
