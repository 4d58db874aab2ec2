"""The graph of stages, as DVC reads it from dvc.yaml."""

import re

from flows.command import PipelineError, ask

EDGE = re.compile(r'"(?P<stage>[^"]+)"(?: -> "(?P<dependent>[^"]+)")?;')


def read_graph() -> dict[str, set[str]]:
    """Return every stage with the stages that it depends on.

    Raises:
        PipelineError: if DVC cannot read the pipeline, or there is no stage.
    """
    graph: dict[str, set[str]] = {}
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
    """Return the stages in the order in which `dvc repro` alone would run them."""
    return re.findall(r"^Running stage '(.+)':$", ask("repro", "--dry", "--force"), re.MULTILINE)
