"""The graph of stages, as DVC reads it from dvc.yaml."""

import re
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.command import PipelineError, ask

Graph = dict[str, set[str]]  # stage -> the stages that it depends on

EDGE = re.compile(r'"(?P<stage>[^"]+)"(?: -> "(?P<dependent>[^"]+)")?;')


def read_graph() -> Graph:
    """Every stage with the stages that it depends on.

    Raises PipelineError if DVC cannot read the pipeline, or if it has no stage.
    """
    graph: Graph = {}
    for line in ask("dag", "--dot").splitlines():
        if edge := EDGE.fullmatch(line.strip()):
            graph.setdefault(edge["stage"], set())
            if edge["dependent"]:
                graph.setdefault(edge["dependent"], set()).add(edge["stage"])
    if not graph:
        raise PipelineError(
            "dvc.yaml", got="no stages", expected="at least one", remedy="run from the directory that holds dvc.yaml"
        )
    return graph


def serial_order() -> list[str]:
    """The stages in the order in which `dvc repro` alone would run them."""
    return re.findall(r"^Running stage '(.+)':$", ask("repro", "--dry", "--force"), re.MULTILINE)


def with_all_they_need(graph: Graph, stages: Iterable[str]) -> Graph:
    """The part of the graph with these stages and all that they need."""
    wanted: Graph = {}
    waiting = list(stages)
    while waiting:
        stage = waiting.pop()
        if stage not in wanted:
            wanted[stage] = graph[stage]
            waiting += graph[stage]
    return {stage: needed for stage, needed in graph.items() if stage in wanted}


def lengths_of_chains(graph: Graph) -> dict[str, int]:
    """For each stage, how many stages follow it in the longest chain of stages that wait for each other."""
    lengths = dict.fromkeys(graph, 0)
    for stage in reversed(list(TopologicalSorter(graph).static_order())):
        for needed in graph[stage]:
            lengths[needed] = max(lengths[needed], lengths[stage] + 1)
    return lengths


def marked(mark: str) -> dict[str, Any]:
    """The stages that have a mark in their `meta`, by their names in dvc.yaml, with the mark's value."""
    stages = YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"]
    meta = {name: stage.get("do", stage).get("meta", {}) for name, stage in stages.items()}
    return {name: marks[mark] for name, marks in meta.items() if marks.get(mark)}


def base(stage: str) -> str:
    """A stage's name in dvc.yaml, without the suffix of one of a matrix."""
    return stage.partition("@")[0]


def default_remote() -> str:
    """The name of DVC's default remote. Raises PipelineError if there is none."""
    if name := ask("config", "core.remote").strip():
        return name
    raise PipelineError(
        "dvc remote",
        got="no default remote",
        expected="one to push to",
        remedy="add one: dvc remote add --local --default storage s3://BUCKET/PREFIX",
    )
