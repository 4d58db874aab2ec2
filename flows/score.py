"""A Prefect flow that makes a teacher's scores, and all that they need."""

import re

from prefect import State, flow
from pydantic import PositiveInt

from flows.building import at_work, build_stages
from flows.command import PipelineError
from flows.graph import Graph
from flows.webhook import tell_of_failure

# The stages that make labels, one for each kind of teacher in params.yaml.
LABELLING = ("score", "score-bm25", "ensemble", "import-scores")


@flow(on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def score(teacher: str, push: bool = False, stages_at_once: PositiveInt | None = None) -> State[None]:
    """Score the triples that students learn from with a teacher, and build what this needs.

    Args:
        teacher: A teacher, ensemble or import of params.yaml, such as T1; or bm25.
        push: Push what a costly stage built to DVC's default remote at once, and everything at the end.
        stages_at_once: At most so many stages at once. By cores and cards unless given.
    """
    with at_work():
        return build_stages(lambda graph: stages_of(teacher, graph), push, stages_at_once)


def stages_of(teacher: str, graph: Graph) -> list[str]:
    """The stages that make the teacher's labels, one per set of triples. Raises PipelineError if there is none."""
    labelling: dict[str, list[str]] = {}
    for stage in graph:
        if stage.partition("@")[0] in LABELLING:
            # Stages are named score@bm25-T1, but import-scores@T1.
            labelling.setdefault(re.split("[@-]", stage)[-1], []).append(stage)
    if teacher not in labelling:
        raise PipelineError(
            "score", got=f"teacher '{teacher}'", expected=f"one of {sorted(labelling)}", remedy="name one of these"
        )
    return labelling[teacher]
