"""params.yaml as a whole: its sections, and how they must agree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from distilrank.config.derived import measures_of, ranker_names
from distilrank.config.models import Ensemble, Matrix, Student, Teacher
from distilrank.config.names import BACKBONE, CONTROL, START
from distilrank.data.sources.section import CollectionSection
from distilrank.data.sources.table import SOURCES, table_name
from distilrank.errors import ParamsError
from distilrank.retrieval.kinds import INDEX_KINDS, Flat, IndexKind
from distilrank.sections.base import FileElsewhere, ModelName, Section
from distilrank.sections.data import Backbone, Candidates, GivenTriples, Tokens, Triples, Unlabelled, drawn_or_given
from distilrank.sections.measuring import Evaluation, Latency, Promotion, Report, relative_floor
from distilrank.sections.tables import one_of
from distilrank.sections.training import Labels, Scoring, Validation

# One of the table's, which the type checker cannot know.
if TYPE_CHECKING:
    AnyIndex = IndexKind
    Collection = CollectionSection
else:
    AnyIndex = one_of("kind", INDEX_KINDS)
    Collection = one_of("source", SOURCES, table_name)
PARAMS_FILE = Path("params.yaml")
Entry = TypeVar("Entry")


class Params(Section):
    """The whole of params.yaml."""

    collection: Collection
    """Which passages, queries and qrels."""

    backbone: Backbone

    tokens: Tokens = Tokens()

    candidates: Candidates = Candidates()

    triples: Annotated[
        Annotated[Triples, Tag("drawn")] | Annotated[GivenTriples, Tag("given")], Discriminator(drawn_or_given)
    ] = Triples()
    """What rankers learn from: drawn, or given where there is a `location`."""

    unlabelled: Unlabelled | None = None

    teachers: dict[ModelName, Teacher] = Field(default={})

    ensembles: dict[ModelName, Ensemble] = Field(default={})

    imports: dict[ModelName, FileElsewhere] = Field(default={})
    """Scores that others published, which teach in the place of a teacher."""

    students: Annotated[dict[ModelName, Student], Field(min_length=1)]

    matrix: Matrix
    index: AnyIndex = Flat()
    """How passage vectors are searched."""

    validation: Validation = Validation()

    scoring: Scoring = Scoring()

    labels: Labels = Labels()

    evaluation: Evaluation = Evaluation()

    latency: Latency = Latency()

    report: Report = Report()

    promotion: Promotion = Promotion()

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        names = [*self.label_names(), *self.students]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"teachers, ensembles, imports and students must differ in name; more than one has {twice}"
            )
        if taken := {"bm25", "given", BACKBONE, START, CONTROL} & set(names):
            raise ValueError(f"{min(taken)} names something else in the results: choose another")
        controls = {name: self.students[name] for name in self.matrix.controls if name in self.students}
        dense = [name for name, student in controls.items() if student.ranker.one_vector]
        known = (
            *((f"ensembles.{name}.members", one.members, list(self.teachers)) for name, one in self.ensembles.items()),
            ("matrix.teachers", self.matrix.teachers, self.label_names()),
            ("matrix.controls", self.matrix.controls, list(self.students)),
            ("matrix.controls_per_teacher", self.matrix.controls_per_teacher, list(self.students)),
            # An index needs one vector a passage; and without a control nobody could tell what teaching gained.
            ("matrix.indexes", self.matrix.indexes, dense),
        )
        for where, given, allowed in known:
            if strange := [name for name in given if name not in allowed]:
                what = "dense students with a control" if where == "matrix.indexes" else "entries"
                raise ValueError(f"{where} may name the {what} {allowed}, not {strange}")
        return self

    @model_validator(mode="after")
    def seeds_are_others(self) -> Self:
        for name, student in self.students.items():
            if student.training.seed in self.matrix.seeds:
                raise ValueError(
                    f"matrix.seeds has {student.training.seed}, by which students.{name} is trained anyway: name others"
                )
        return self

    @model_validator(mode="after")
    def teachers_have_the_layers_that_students_start_from(self) -> Self:
        pairs = [(name, teacher) for name in self.students for teacher in self.matrix.teachers]
        for name, teacher in pairs:
            student, members = self.students[name], self.members(teacher)
            if student.start == "teacher" and not members:
                raise ValueError(f"students.{name} cannot start from {teacher}, of which there are scores alone")
            if not members:
                continue
            reason = student.ranker.why_not_from(self.teachers[members[0]].ranker)
            if student.start == "teacher" and reason:
                raise ValueError(f"students.{name} cannot start from {teacher}, {reason}")
        return self

    @model_validator(mode="after")
    def depths_agree(self) -> Self:
        every = {"triples": self.triples} | {
            f"teachers.{name}.triples": one.triples for name, one in self.teachers.items()
        }
        draws = [
            (f"{name}.negatives_from", one.negatives_from) for name, one in every.items() if isinstance(one, Triples)
        ]
        depth, train_depth = self.candidates.depth, self.candidates.train_depth
        for section, needed, where, most in (
            *((name, needed, "train_depth", train_depth) for name, needed in draws),
            ("validation.depth", self.validation.depth, "depth", depth),
            ("evaluation.depth", self.evaluation.depth, "depth", depth),
        ):
            if needed > most:
                raise ValueError(f"{section} is {needed}, beyond candidates.{where}, {most}")
        return self

    @model_validator(mode="after")
    def named_rankers_are_there(self) -> Self:
        known = [self.candidates.first_stage(), *ranker_names(self)]
        named = [name for expected in self.report.expected for name in expected.figures]
        if strange := [name for name in named if name not in known]:
            raise ValueError(f"report.expected may name the rankers {known}, not {strange}")
        known = ["control", *known]
        floors = [relative_floor(floor) for *_, floor in self.promotion.every_floor()]
        named = [relative[0] for relative in floors if relative]
        if strange := [name for name in named if name not in known]:
            raise ValueError(f"promotion.floors may name the rankers {known}, not {strange}")
        return self

    @model_validator(mode="after")
    def named_measures_are_measured(self) -> Self:
        rule = self.promotion.no_worse
        named = [
            *(("promotion.floors", task, one) for task, one, _ in self.promotion.every_floor()),
            ("promotion.no_worse", rule.task, rule.measure),
            *(("report.expected", expected.task, expected.measure) for expected in self.report.expected),
        ]
        for where, task, measure in named:
            known = measures_of(self, task.rpartition("/")[2])
            if measure not in known:
                raise ValueError(f"{where} may name the measures {known} of {task}, not {measure}, by its depth")
        return self

    def minimum_relevance(self, test_set: str) -> int:
        """Raises ParamsError for a test set that evaluation.minimum_relevance leaves out."""
        minimum = self.evaluation.minimum_relevance
        if isinstance(minimum, int):
            return minimum
        return _entry(minimum, "evaluation.minimum_relevance", test_set)

    def first_stage(self) -> str:
        """The name, in tables and runs, of what finds the candidates: bm25, or `given` where runs are."""
        return "given" if self.candidates.runs else "bm25"

    def teacher(self, name: str) -> Teacher:
        return _entry(self.teachers, "teachers", name)

    def ensemble(self, name: str) -> Ensemble:
        return _entry(self.ensembles, "ensembles", name)

    def imported(self, name: str) -> FileElsewhere:
        return _entry(self.imports, "imports", name)

    def student(self, name: str) -> Student:
        return _entry(self.students, "students", name)

    def members(self, teacher: str) -> list[str]:
        """The trained teachers behind a teacher's name: itself, an ensemble's members, or none behind an import.

        Raises ParamsError.
        """
        if teacher in self.ensembles:
            return self.ensembles[teacher].members
        known = {**self.teachers, **self.ensembles, **self.imports}
        return [] if isinstance(_entry(known, "teachers, ensembles and imports", teacher), FileElsewhere) else [teacher]

    def label_names(self) -> list[str]:
        """All that triples have labels of: teachers, ensembles and imports."""
        return [*self.teachers, *self.ensembles, *self.imports]


def _entry(entries: dict[str, Entry], section: str, name: str) -> Entry:
    if name not in entries:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}",
            got=f"no entry '{name}'",
            expected=f"one of {sorted(entries)}",
            remedy="name one of these, or add the entry",
        )
    return entries[name]
