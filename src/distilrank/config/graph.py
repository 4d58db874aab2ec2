"""graph.yaml: the stages that params.yaml asks for and that dvc.yaml cannot work out itself.

DVC cannot look up the triples of a student in a matrix, or join the names of several entries.
"""

import json
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

from distilrank.artifacts import layout
from distilrank.artifacts.files import write_text
from distilrank.config.derived import (
    Distillation,
    built_indexes,
    distillations,
    encoded_models,
    evaluated,
    in_batch_teacher,
    measured_names,
    measured_on,
    own_stores,
    own_vocabularies,
    searching,
    starts,
    stored_vectors_of,
    tokens_of,
)
from distilrank.config.entries import PARAMS_FILE, Entries
from distilrank.config.evaluations import OtherCollection
from distilrank.config.labelling import built_triples, labelled_sets, lexical_teachers, tuned_members
from distilrank.config.names import BACKBONE
from distilrank.config.starts import source_of, student_of
from distilrank.errors import InputError
from distilrank.sections.data import BM25
from distilrank.sections.mining import MinedTriples

GRAPH_FILE = Path("graph.yaml")
_HEADING = f"# The stages that {PARAMS_FILE} asks for, as dvc.yaml reads them. `distilrank lock` writes this file.\n"


def write_graph(params: Entries) -> None:
    write_text(GRAPH_FILE, graph_text(params))


def refuse_stale_graph(params: Entries) -> None:
    """Raises InputError if graph.yaml exists and belongs to other params."""
    if GRAPH_FILE.is_file() and GRAPH_FILE.read_text("utf-8") != graph_text(params):
        raise InputError(
            GRAPH_FILE,
            got="the stages of other params",
            expected=f"those that {PARAMS_FILE} asks for",
            remedy="run `distilrank lock`",
        )


def graph_text(params: Entries) -> str:
    """The graph as YAML with a line per stage. Names are quoted, because one may look like another type."""
    lines = ["graph:"]
    for key, value in graph(params).items():
        if isinstance(value, dict) and value:
            lines += [f"  {key}:", *(f"    {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items())]
        else:
            lines.append(f"  {key}: {json.dumps(value)}")
    return _HEADING + "\n".join(lines) + "\n"


def graph(params: Entries) -> dict[str, Any]:
    """What dvc.yaml reads, under a key per stage: one entry, or name, for each time that the stage runs.

    A few keys hold a single path instead.
    """
    triples = built_triples(params)
    mined = params.mined_triples() if triples else {}
    trainings = chain.from_iterable(distillations(params, student) for student in params.students)
    return {
        # A change of BM25's params reads a collection anew only where BM25 filters its queries.
        "pseudo_filter": params.pseudo_queries and params.pseudo_queries.filter_of(params.candidates),
        "teach": {
            name: {"triples": params.learned_by(one), "tokens": _tokens(params, name)}
            for name, one in params.trained_teachers().items()
        },
        "given": {
            name: {"section": "teachers" if name in params.teachers else "baselines"} for name in params.given_models()
        },
        "tokenize": _tokenize(params),
        # What `evaluate` and `latency` read besides data/tokens; data/tokens again if no entry has its own tokens.
        "own_tokens": (layout.OWN_TOKENS if own_stores(params) else layout.TOKENS).as_posix(),
        "evaluations": {name: _other(one) for name, one in params.evaluations.items()},
        "tokenize_other": dict(chain.from_iterable(_tokenize_other(params, name) for name in params.evaluations)),
        "triples": [name for name in triples if name not in mined],
        "find": dict(chain.from_iterable(_find(params, name, one) for name, one in mined.items())),
        "mine": {name: _mine(params, one) for name, one in mined.items()},
        "labelled": labelled_sets(params),
        "score": {
            f"{triples}-{teacher}": {
                "triples": triples,
                "teacher": teacher,
                "tokens": _tokens(params, teacher),
            }
            for triples, teacher in product(labelled_sets(params), params.teachers)
        },
        "bm25": lexical_teachers(params),
        "score_dev": {name: _score_dev(params, name) for name in tuned_members(params)},
        "ensemble": {
            f"{triples}-{name}": _ensemble(params, triples, name)
            for triples, name in product(labelled_sets(params), params.ensembles)
        },
        "import": [*params.imports],
        "distil": {one.model: _distil(params, one) for one in trainings},
        "encode": {
            name: {"tokens": _tokens(params, name), "student": student_of(name)} for name in encoded_models(params)
        },
        "index": {one.name: {"entry": one.entry, "model": one.model} for one in built_indexes(params)},
        # What `audit` reads besides the vectors; the vectors again if there is no index.
        "indexes": (layout.INDEXES if built_indexes(params) else layout.VECTORS).as_posix(),
        "evaluate": {f"{on}-{ranker}": _evaluate(params, on, ranker) for on, ranker in evaluated(params)},
    }


def _evaluate(params: Entries, on: str, ranker: str) -> dict[str, Any]:
    """What one evaluation reads: the collection, and what the ranker is made of.

    A trained ranker has a model, its tokens and stored vectors. A start has the model that it begins from and its
    entry. The collection replaces a path that a ranker lacks, and `evaluation` replaces a section that it lacks.
    """
    start = next((one for one in starts(params) if one.name == ranker), None)
    places = layout.places_of(on)
    collection = places.collection.as_posix()
    is_first = ranker == measured_on(params, on).candidates.first_stage()
    model = start.source.model if start else ranker if ranker in measured_names(params) else None
    # All params of another collection are in its entry.
    asked = None if on == layout.OWN else f"evaluations.{on}"
    return {
        "on": on,
        "ranker": ranker,
        "collection": collection,
        "candidates": places.candidates.as_posix(),
        "tokens": collection if is_first else tokens_of(params, ranker, on).as_posix(),
        "model": (layout.MODELS / model).as_posix() if model else collection,
        "vectors": (stored_vectors_of(params, ranker, on) or places.collection).as_posix(),
        "searches": ranker in searching(params, on),
        "entry": f"students.{start.student}" if start else "evaluation",
        "backbone": "backbone" if start or ranker == BACKBONE else "evaluation",
        "collection_asked": asked or "collection",
        "candidates_asked": asked or "candidates.depth",
    }


def _find(params: Entries, triples: str, one: MinedTriples) -> Iterator[tuple[str, dict[str, Any]]]:
    """The stages that search for negatives, by name. Each has a source, and its number in `from`. If the source is a
    model, the stage has the model and its stored vectors too."""
    for number, source in enumerate(one.source_names()):
        model = vectors = layout.COLLECTION
        tokens = _tokens(params, source) if source in one.models() else layout.COLLECTION.as_posix()
        if source in one.models():
            model = layout.MODELS / source
            vectors = stored_vectors_of(params, source) or model
        stage = {"triples": triples, "source": source, "number": number, "tokens": tokens}
        yield f"{triples}-{source}", stage | {"model": model.as_posix(), "vectors": vectors.as_posix()}


def _mine(params: Entries, one: MinedTriples) -> dict[str, str]:
    """The teacher that filters, and its tokens. Without one, the collection, which the stage reads anyway."""
    if not one.filter:
        return dict.fromkeys(["filter", "tokens"], layout.COLLECTION.as_posix())
    return {"filter": (layout.MODELS / one.filter.teacher).as_posix(), "tokens": _tokens(params, one.filter.teacher)}


def _score_dev(params: Entries, member: str) -> dict[str, str]:
    """The model and its tokens; for BM25 the collection, which the stage reads anyway."""
    if member == BM25:
        return dict.fromkeys(["tokens", "model"], layout.COLLECTION.as_posix())
    return {"tokens": _tokens(params, member), "model": (layout.MODELS / member).as_posix()}


def _ensemble(params: Entries, triples: str, name: str) -> dict[str, str]:
    """What an ensemble's weights are tuned by. If they are not, the triples, which the stage reads anyway."""
    labelled = (layout.TRIPLES / triples).as_posix()
    stage = {"triples": triples, "ensemble": name}
    if params.ensembles[name].weights != "tuned":
        return stage | {"collection": labelled, "dev_scores": labelled, "validation": "labels"}
    tuned_by = {"collection": layout.COLLECTION.as_posix(), "dev_scores": layout.DEV_SCORES.as_posix()}
    return stage | tuned_by | {"validation": "validation"}


def _tokens(params: Entries, model: str) -> str:
    return tokens_of(params, model).as_posix()


def _tokenize(params: Entries) -> dict[str, dict[str, str]]:
    """The entries whose backbones have their own vocabulary, each with its section."""
    own = own_vocabularies(params)
    return {name: {"section": "teachers" if name in params.teachers else "students"} for name in own}


def _other(one: OtherCollection) -> dict[str, Any]:
    """The params of a collection's tables and of its candidates, apart, so that each stage depends only on its own."""
    collection, candidates = (
        section.model_dump(mode="json", exclude_defaults=True) for section in (one.collection, one.candidates)
    )
    shared = {key: getattr(one.collection, key) for key in ("on_error", "exclude_identical_ids")}
    return {"collected": collection | {"count_absent": one.count_absent}, "candidates": candidates | shared}


def _tokenize_other(params: Entries, evaluation: str) -> Iterator[tuple[str, dict[str, str]]]:
    """By a stage's name, the words of its command, our token store that it follows, and the store that it makes."""
    own, there = layout.places_of(layout.OWN), layout.places_of(evaluation)
    stores = {"": (own.tokens, there.tokens)}
    stores |= {name: (own.own_tokens / name, there.own_tokens / name) for name in own_stores(params)}
    for name, (like, store) in stores.items():
        yield (
            "-".join(filter(None, (evaluation, name))),
            {
                "evaluation": evaluation,
                "words": f"{name} --on {evaluation}".strip(),
                "like": like.as_posix(),
                "store": store.relative_to(there.collection.parent).as_posix(),
            },
        )


def _distil(params: Entries, one: Distillation) -> dict[str, str]:
    """What one training reads: labels or triples, tokens, its start's model, and the teacher of its batches.

    Its own tokens replace a model that it lacks.
    """
    options = [
        *(["--teacher", one.teacher] if one.teacher else []),
        *(["--control"] if one.control else []),
        *(["--seed", str(one.seed)] if one.seed is not None else []),
    ]
    source = layout.LABELS / one.triples / one.teacher if one.teacher else layout.TRIPLES / one.triples
    start, in_batch = source_of(params, one.student, one.teacher).model, in_batch_teacher(params, one)
    tokens = _tokens(params, one.student)
    return {
        "student": one.student,
        "words": " ".join([one.student, *options]),
        "learns_from": source.as_posix(),
        "tokens": tokens,
        "start": (layout.MODELS / start).as_posix() if start else tokens,
        "in_batch": (layout.MODELS / in_batch).as_posix() if in_batch else tokens,
        "in_batch_tokens": _tokens(params, in_batch) if in_batch else tokens,
    }
