"""What follows from the params: models, their controls and starts, indexes, and the measures that tell them apart.

These are functions and not methods of Params, so that code that changes a result is in the modules that its stage
imports.
"""

from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from distilrank.artifacts import layout
from distilrank.config.names import BACKBONE, IMPORTED, control_name, distilled_name, seeded_name
from distilrank.config.starts import Source, Start, source_of, start_named, starts_from_teacher, student_of
from distilrank.evaluation.tasks import RERANK, evaluation_of
from distilrank.sections.measures import cutoff_of, tells_apart

if TYPE_CHECKING:
    from distilrank.config.entries import Entries
    from distilrank.config.models import Student, Teacher
    from distilrank.data.sources.section import CollectionSection
    from distilrank.rankers.params import RankerParams
    from distilrank.sections.data import Backbone, Candidates, OwnBackbone


class Distillation(NamedTuple):
    """A training of a student or of a control.

    `teacher` is who teaches it, or None. If `control` is set, it is the control of that teacher's students. It learns
    from the set `triples`. `seed` is one of `matrix.seeds`, or None for its own.
    """

    model: str
    student: str
    teacher: str | None
    control: bool
    triples: str
    seed: int | None


class MeasuredOn(NamedTuple):
    """A collection that models are measured on, and how.

    `depth` candidates per query are re-ranked. `count_absent` says whether judged passages that the collection lacks
    count.
    """

    collection: "CollectionSection"
    candidates: "Candidates"
    depth: int
    count_absent: bool


def measured_on(params: "Entries", evaluation: str) -> MeasuredOn:
    """How models are measured on a collection. Raises ParamsError if `evaluations` has no such entry."""
    if evaluation == layout.OWN:
        return MeasuredOn(params.collection, params.candidates, params.evaluation.depth, False)
    one = params.evaluation_named(evaluation)
    return MeasuredOn(one.collection, one.candidates, one.depth or params.evaluation.depth, one.count_absent)


def first_stage_of(params: "Entries", task: str) -> str:
    """The first stage that finds the candidates of a task."""
    return measured_on(params, evaluation_of(task, params.evaluations)).candidates.first_stage()


def evaluated(params: "Entries") -> list[tuple[str, str]]:
    """All that is measured, as (collection, ranker): on each collection the first stage, then all rankers."""
    rankers = [*ranker_names(params), *seeded_names(params)]
    return [
        (name, ranker)
        for name in (layout.OWN, *params.evaluations)
        for ranker in (measured_on(params, name).candidates.first_stage(), *rankers)
    ]


def measures_of(params: "Entries", kind: str, evaluation: str = layout.OWN) -> list[str]:
    """The measures that tell rankers apart in the `kind` of task, re-ranking or retrieval.

    In retrieval this excludes recall beyond the depth. In re-ranking it also excludes recall at the depth, because
    every order holds the same passages. The same goes for every measure that ignores the order of passages.
    """
    on = measured_on(params, evaluation)
    named, deepest = params.evaluation.measures, on.candidates.depth
    if kind == RERANK:
        return [name for name in named if tells_apart(name, on.depth)]
    return [name for name in named if tells_apart(name, deepest) or cutoff_of(name, deepest) == deepest]


def control_of(params: "Entries", student: str, teacher: str) -> str | None:
    """The control of `student` taught by `teacher`: the model that differs from it only in having no teacher.

    Both have the same start and learn from the same labelled triples. None if there is no such model.
    """
    own = [name for name in params.matrix.controls_per_teacher if _differ_in_loss_alone(params, name, student)]
    if own:
        return control_name(own[0], teacher)
    if starts_from_teacher(params, student) or teacher in params.imports:
        return None
    return next((name for name in params.matrix.controls if _differ_in_loss_alone(params, name, student)), None)


def control_of_model(params: "Entries", model: str) -> str | None:
    """The control of a taught student by its model's name; None for every other model."""
    pairs = product(params.students, params.matrix.teachers)
    return next((control_of(params, *pair) for pair in pairs if distilled_name(*pair) == model), None)


def start_of(params: "Entries", student: str, teacher: str) -> Start:
    """The start of `student` taught by `teacher`. Students that start alike share the start that the first names."""
    every = (start_named(params, *pair) for pair in product(params.students, params.matrix.teachers))
    wanted = _begun_from(params, start_named(params, student, teacher))
    return next(start for start in every if _begun_from(params, start) == wanted)


def starts(params: "Entries") -> list[Start]:
    """The starts of all students, each once."""
    return list(dict.fromkeys(start_of(params, *pair) for pair in product(params.students, params.matrix.teachers)))


def tokens_of(params: "Entries", model: str, evaluation: str = layout.OWN) -> Path:
    """The token store of a collection that a model or a student's start reads: its entry's own, or the shared one.

    Rows follow the collection's ids in every store, so candidates and triples fit all of them.
    """
    places = layout.places_of(evaluation)
    entry = model if model in (*params.teachers, *params.baselines) else student_of(model)
    if entry in params.given_models():
        return places.own_tokens / entry
    trained: Teacher | Student | None = params.trained_teachers().get(entry) or params.students.get(entry)
    owners = [name for name, one in own_vocabularies(params).items() if trained and trained.backbone == one]
    return places.own_tokens / owners[0] if owners else places.tokens


def own_stores(params: "Entries") -> list[str]:
    """The names of all token stores beside the shared one."""
    return [*params.given_models(), *own_vocabularies(params)]


def read_by(params: "Entries", section: "Teacher | Student") -> "Backbone":
    """The backbone whose tokenizer reads an entry's texts."""
    own = section.backbone
    return own if own and own.own_vocabulary else params.backbone


def own_vocabularies(params: "Entries") -> "dict[str, OwnBackbone]":
    """The backbones of teachers and students with their own vocabulary, each once, by the first entry that has it."""
    trained: dict[str, Teacher | Student] = {**params.trained_teachers(), **params.students}
    own = [(name, one.backbone) for name, one in trained.items() if one.backbone and one.backbone.own_vocabulary]
    # In reverse order, so that the first entry stays.
    first = {one.model_dump_json(): name for name, one in reversed(own)}
    return {name: one for name, one in own if first[one.model_dump_json()] == name}


def model_names(params: "Entries") -> list[str]:
    """All models in the order of the report: baselines, teachers, then each student after its controls."""
    students = chain.from_iterable(models_of(params, student) for student in params.students)
    return [*params.baselines, *params.teachers, *students]


def trained_names(params: "Entries") -> list[str]:
    """The models that are trained here."""
    return [name for name in model_names(params) if name not in params.given_models()]


def ranker_names(params: "Entries") -> list[str]:
    """All rankers that score candidates: the backbone, baselines, teachers, then each student's starts and models."""
    if "rerank" not in params.evaluation.untrained:
        return model_names(params)
    begun_from = starts(params)
    students = [
        name
        for student in params.students
        for name in (*(start.name for start in begun_from if start.student == student), *models_of(params, student))
    ]
    return [BACKBONE, *params.baselines, *params.teachers, *students]


def measured_names(params: "Entries") -> list[str]:
    """All models, including those trained with `matrix.seeds`."""
    return [*model_names(params), *seeded_names(params)]


def entry_of(params: "Entries", trained: str) -> "Teacher | Student":
    """The entry of a model that is trained here."""
    return params.trained_teachers().get(trained) or params.students[student_of(trained)]


def ranker_of(params: "Entries", model: str) -> "RankerParams | None":
    """The entry of a model's ranker. None for a given model, whose checkpoint tells."""
    return None if model in params.given_models() else entry_of(params, model).ranker


def pretrained_below(params: "Entries", source: Source) -> "Backbone | None":
    """The pretrained transformer that a source's layers come from in the end.

    A trained model has the widths and positions of what it started from. None below a given teacher, whose checkpoint
    tells.
    """
    if source.pretrained or not source.model:
        return source.pretrained or params.backbone
    if source.model in params.given_teachers():
        return None
    if source.model in params.teachers:
        return entry_of(params, source.model).backbone or params.backbone
    trainings = chain.from_iterable(distillations(params, student) for student in params.students)
    one = next(one for one in trainings if one.model == source.model)
    return pretrained_below(params, source_of(params, one.student, one.teacher))


def seeded_names(params: "Entries") -> list[str]:
    """The models of students and controls that are trained with `matrix.seeds`. They are only measured."""
    return [one.model for student in params.students for one in distillations(params, student) if one.seed is not None]


def built_alike(params: "Entries") -> list[list[str]]:
    """The trained models in groups of the same architecture, settings and backbone."""
    groups: dict[tuple[str, str], list[str]] = {}
    entries = {name: entry_of(params, name) for name in trained_names(params)}
    for name, entry in entries.items():
        groups.setdefault((str(entry.ranker), str(entry.backbone or params.backbone)), []).append(name)
    return list(groups.values())


class BuiltIndex(NamedTuple):
    """An index by its name, such as dot-hnsw-T1: its entry in `indexes`, and the model whose vectors it searches."""

    name: str
    entry: str
    model: str


def stored_students(params: "Entries", only_searched: bool = False) -> list[str]:
    """The students whose models' encodings of all passages are stored; `only_searched`: only those that search them."""
    return [name for name, kind in params.indexes.items() if kind.is_exact and (kind.searches or not only_searched)]


def encoded_models(params: "Entries", only_searched: bool = False) -> list[str]:
    """The trained models whose encodings of all passages are stored: of each such student its control, if it has one,
    then its models.

    `only_searched`: only those that search them.
    """
    return [
        name
        for student in stored_students(params, only_searched)
        for name in (student, *(distilled_name(student, teacher) for teacher in params.matrix.teachers))
        if name != student or student in params.matrix.controls
    ]


def taught_to_search(params: "Entries") -> list[str]:
    """The taught models that search all passages, in the order of the report."""
    return [name for name in encoded_models(params, only_searched=True) if name not in params.students]


def built_indexes(params: "Entries", only_searched: bool = False) -> list[BuiltIndex]:
    """The approximate indexes. Each is of a taught model; `only_searched`: of one that searches."""
    entries = ((name, kind.of or name) for name, kind in params.indexes.items() if not kind.is_exact)
    stored = stored_students(params, only_searched)
    return [
        BuiltIndex(distilled_name(entry, teacher), entry, distilled_name(student, teacher))
        for entry, student in entries
        for teacher in params.matrix.teachers
        if student in stored
    ]


def model_of_index(params: "Entries", name: str) -> str:
    """The model behind an index; any other name is returned as it is."""
    return next((one.model for one in built_indexes(params) if one.name == name), name)


def stored_vectors_of(params: "Entries", ranker: str, evaluation: str = layout.OWN) -> Path | None:
    """The directory of a ranker's encodings of all passages of a collection, or None if they are not stored.

    They are stored only for the collection that models learn from.
    """
    return layout.VECTORS / ranker if evaluation == layout.OWN and ranker in encoded_models(params) else None


def searching(params: "Entries", evaluation: str) -> list[str]:
    """The rankers that search a collection if they make one vector per text; a given model's checkpoint tells.

    The collection that models learn from is searched by the models whose encodings are stored for search, and by what
    is compared with dense ones: starts, the backbone, other controls, baselines. Every ranker searches the other
    collections.
    """
    untrained = "retrieve" in params.evaluation.untrained
    if evaluation != layout.OWN:
        rankers = ranker_names(params) if untrained else model_names(params)
        return [*rankers, *seeded_names(params)]
    students = [name for name in stored_students(params) if params.students[name].ranker.one_vector]
    begun_from = [BACKBONE, *(start.name for start in starts(params) if start.student in students)]
    controls = [name for name in params.matrix.controls_per_teacher if name in students]
    return [
        *encoded_models(params, only_searched=True),
        *(begun_from if untrained else []),
        *(control_name(*pair) for pair in product(controls, params.matrix.teachers)),
        *params.baselines,
    ]


def models_of(params: "Entries", student: str) -> list[str]:
    """The trained models of one student: its controls, if it has any, then one per teacher."""
    return [one.model for one in distillations(params, student) if one.seed is None]


def distillations(params: "Entries", student: str) -> list[Distillation]:
    """Every training of one student: with its own seed, in the order of `models_of`, then with `matrix.seeds`."""
    matrix, own = params.matrix, params.learned_by(params.students[student])
    taught = [(teacher, triples_of(params, student, teacher)) for teacher in matrix.teachers]
    alone = [Distillation(student, student, None, False, own, None)] if student in matrix.controls else []
    controls = [
        Distillation(control_name(student, teacher), student, teacher, True, triples, None)
        for teacher, triples in taught
        if student in matrix.controls_per_teacher
    ]
    students = [
        Distillation(distilled_name(student, teacher), student, teacher, False, triples, None)
        for teacher, triples in taught
    ]
    every = [*alone, *controls, *students]
    return every + [
        one._replace(model=seeded_name(one.model, seed), seed=seed) for one in every for seed in matrix.seeds
    ]


def in_batch_teacher(params: "Entries", one: Distillation) -> str | None:
    """The teacher that scores the batches of a training; a control has none."""
    lesson = params.students[one.student].in_batch
    return lesson.teacher if lesson and one.teacher and not one.control else None


def triples_of(params: "Entries", student: str, teacher: str) -> str:
    """The set of triples whose labels `teacher` teaches `student` with. An import brings its own."""
    return IMPORTED if teacher in params.imports else params.learned_by(params.students[student])


def _differ_in_loss_alone(params: "Entries", student: str, other: str) -> bool:
    return _as_control(params, student) == _as_control(params, other)


def _begun_from(params: "Entries", start: Start) -> tuple[object, ...]:
    student = params.students[start.student]
    return student.ranker, student.training.seed, start.source


def _as_control(params: "Entries", student: str) -> dict[str, Any]:
    one = params.students[student]
    return one.model_dump(exclude={"loss", "first_phase", "in_batch"}) | {"triples": params.learned_by(one)}
