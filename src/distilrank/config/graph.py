"""graph.yaml: the stages that params.yaml asks for, where dvc.yaml cannot work them out.

DVC can look up neither the triples of a student in a matrix nor the names that several entries make together.
"""

import json
from itertools import chain, product
from pathlib import Path
from typing import Any

from distilrank.artifacts import layout
from distilrank.artifacts.files import write_text
from distilrank.config.derived import Distillation, distillations, index_names, labelled_sets, tokens_of
from distilrank.config.entries import PARAMS_FILE, Entries
from distilrank.errors import InputError

GRAPH_FILE = Path("graph.yaml")
_HEADING = f"# The stages that {PARAMS_FILE} asks for, as dvc.yaml reads them. `distilrank lock` writes this file.\n"


def write_graph(params: Entries) -> None:
    write_text(GRAPH_FILE, graph_text(params))


def refuse_stale_graph(params: Entries) -> None:
    """Raises InputError where graph.yaml is there, and is of other params."""
    if GRAPH_FILE.is_file() and GRAPH_FILE.read_text("utf-8") != graph_text(params):
        raise InputError(
            GRAPH_FILE,
            got="the stages of other params",
            expected=f"those that {PARAMS_FILE} asks for",
            remedy="run `distilrank lock`",
        )


def graph_text(params: Entries) -> str:
    """YAML of a line per stage, in quotes: a name may look like something else."""
    lines = ["graph:"]
    for key, value in graph(params).items():
        if isinstance(value, dict) and value:
            lines += [f"  {key}:", *(f"    {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())]
        else:
            lines.append(f"  {key}: {json.dumps(value)}")
    return _HEADING + "\n".join(lines) + "\n"


def graph(params: Entries) -> dict[str, Any]:
    """What dvc.yaml reads: each teacher's triples, the given ones, the sets to be labelled and by whom, the trainings,
    the indexes."""
    trainings = chain.from_iterable(distillations(params, student) for student in params.students)
    return {
        "teach": {name: {"triples": params.learned_by(one)} for name, one in params.trained_teachers().items()},
        "given": [*params.given_teachers()],
        # What `evaluate` reads besides data/tokens; that again where no teacher is given.
        "own_tokens": (layout.OWN_TOKENS if params.given_teachers() else layout.TOKENS).as_posix(),
        "labelled": labelled_sets(params),
        "score": {
            f"{triples}-{teacher}": {
                "triples": triples,
                "teacher": teacher,
                "tokens": tokens_of(params, teacher).as_posix(),
            }
            for triples, teacher in product(labelled_sets(params), params.teachers)
        },
        "ensemble": [*params.ensembles],
        "import": [*params.imports],
        "distil": {one.model: _distil(one) for one in trainings},
        "index": index_names(params),
    }


def _distil(one: Distillation) -> dict[str, str]:
    """The student, the words of the command, and where what it learns from stands."""
    options = [
        *(["--teacher", one.teacher] if one.teacher else []),
        *(["--control"] if one.control else []),
        *(["--seed", str(one.seed)] if one.seed is not None else []),
    ]
    source = layout.LABELS / one.triples / one.teacher if one.teacher else layout.TRIPLES / one.triples
    return {"student": one.student, "words": " ".join([one.student, *options]), "learns_from": source.as_posix()}
