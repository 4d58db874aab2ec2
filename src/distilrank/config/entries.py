"""The sections of params.yaml, and their entries by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Discriminator, Field, Tag

from distilrank.artifacts.layout import OWN
from distilrank.config.evaluations import Collection, EvaluationName, OtherCollection
from distilrank.config.models import Ensemble, Matrix, Student, Teacher, trained_or_given
from distilrank.errors import ParamsError, did_you_mean
from distilrank.retrieval.index_kind import IndexKind
from distilrank.retrieval.kinds import INDEX_KINDS
from distilrank.sections.base import FileElsewhere, ModelName, Section
from distilrank.sections.checkpoints import GivenModel
from distilrank.sections.data import (
    BM25,
    Backbone,
    GivenLists,
    GivenTriples,
    Tokens,
    TrainingCandidates,
    Triples,
    Unlabelled,
)
from distilrank.sections.imports import IMPORTS, Import
from distilrank.sections.labels import Labels
from distilrank.sections.measures import PRIMARY
from distilrank.sections.measuring import Evaluation, Latency, NoWorse, Promotion, Report
from distilrank.sections.mining import MinedTriples
from distilrank.sections.pseudo import MAKERS, PseudoQueries
from distilrank.sections.searching import Audit, Encoding, IndexName
from distilrank.sections.systems import AnySystem
from distilrank.sections.tables import one_of
from distilrank.sections.training import Scoring, Validation

# A choice built from a table, which the type checker cannot know.
if TYPE_CHECKING:
    AnyImport = Import
    AnyIndex = IndexKind
    AnyPseudoQueries = PseudoQueries
else:
    AnyImport = one_of("form", IMPORTS, default="scores")
    AnyIndex = one_of("kind", INDEX_KINDS)
    AnyPseudoQueries = one_of("by", MAKERS)


def _kind_of_triples(triples: Any) -> str:
    """The kind: given if it has a `location` (as lists if it also has a `form`), mined if it has a `from`."""
    keys = triples if isinstance(triples, dict) else triples.model_dump()
    if "location" in keys:
        return "lists" if "form" in keys else "given"
    return "mined" if "from" in keys else "drawn"


AnyTriples = Annotated[
    Annotated[Triples, Tag("drawn")]
    | Annotated[GivenTriples, Tag("given")]
    | Annotated[GivenLists, Tag("lists")]
    | Annotated[MinedTriples, Tag("mined")],
    Discriminator(_kind_of_triples),
]
AnyTeacher = Annotated[
    Annotated[Teacher, Tag("trained")] | Annotated[GivenModel, Tag("given")], Discriminator(trained_or_given)
]
PARAMS_FILE = Path("params.yaml")
Entry = TypeVar("Entry")


class Entries(Section):
    """All sections, and their entries by name."""

    collection: Collection
    """Which passages, queries and qrels."""

    pseudo_queries: AnyPseudoQueries | None = None
    """Queries made of passages, for a collection with few queries or none. null: none are made."""

    backbone: Backbone

    tokens: Tokens = Tokens()

    candidates: TrainingCandidates = TrainingCandidates()

    triples: Annotated[dict[ModelName, AnyTriples], Field(min_length=1)] = Field(default={"bm25": Triples()})
    """Sets of triples that rankers learn from, by name. A set with a `location` is given, one with a `from` is mined,
    and any other is drawn."""

    unlabelled: Unlabelled | None = None

    teachers: dict[ModelName, AnyTeacher] = Field(default={})
    """Rankers that teach. One with a `checkpoint` comes from elsewhere. Any other is trained here."""

    ensembles: dict[ModelName, Ensemble] = Field(default={})

    imports: dict[ModelName, AnyImport] = Field(default={})
    """Scores of others, which teach instead of a teacher."""

    students: Annotated[dict[ModelName, Student], Field(min_length=1)]

    matrix: Matrix

    encoding: Encoding = Encoding()

    indexes: Annotated[dict[IndexName, AnyIndex], Field(min_length=1)]
    """How passages are searched. With a flat entry, the models of a dense student and its control search exactly. A
    student without a control can search only if nothing learns labels. An entry of another
    kind adds an index to each of the student's taught models."""

    audit: Audit = Audit()

    validation: Validation = Validation()

    scoring: Scoring = Scoring()

    labels: Labels = Labels()

    baselines: dict[ModelName, GivenModel] = Field(default={})
    """Rankers that were trained elsewhere and teach nobody. They are measured like the others."""

    evaluation: Evaluation = Evaluation()

    evaluations: dict[EvaluationName, OtherCollection] = Field(default={})
    """Other collections, by name. Every model is measured on their test queries. Each entry takes all keys of
    `collection` beside these.
    """

    systems: dict[ModelName, AnySystem] = Field(default={})
    """Several rankers that search together, by name. An entry with a `fuse` is a fusion, one with a `rerank` is a
    cascade."""

    latency: Latency = Latency()

    report: Report = Report()

    promotion: Promotion = Promotion()

    def minimum_relevance(self, test_set: str, evaluation: str = OWN) -> int:
        """The lowest relevant grade in a test set. Raises ParamsError if `minimum_relevance` leaves the set out."""
        is_other = evaluation != OWN
        minimum = (self.evaluation_named(evaluation) if is_other else self.evaluation).minimum_relevance
        if isinstance(minimum, int):
            return minimum
        section = f"evaluations.{evaluation}" if is_other else "evaluation"
        return entry_named(minimum, f"{section}.minimum_relevance", test_set)

    def collections_named(self) -> dict[str, str]:
        """The collections that are measured on, by their names in `report.expected`.

        The collection that models learn from has the name that its models' registered names begin with. The others have
        the names of their entries.
        """
        return {self.collection.called: OWN} | {name: name for name in self.evaluations}

    def evaluation_named(self, name: str) -> OtherCollection:
        return entry_named(self.evaluations, "evaluations", name)

    def no_worse(self) -> NoWorse:
        """promotion.no_worse, with `primary` replaced by the primary measure."""
        rule = self.promotion.no_worse
        return rule.model_copy(update={"measure": self.evaluation.primary}) if rule.measure == PRIMARY else rule

    def teacher(self, name: str) -> Teacher | GivenModel:
        return entry_named(self.teachers, "teachers", name)

    def trained_teachers(self) -> dict[str, Teacher]:
        return {name: one for name, one in self.teachers.items() if isinstance(one, Teacher)}

    def trained_teacher(self, name: str) -> Teacher:
        given = name in self.given_teachers()
        return entry_named(self.trained_teachers(), "teachers without a checkpoint" if given else "teachers", name)

    def given_teachers(self) -> dict[str, GivenModel]:
        return {name: one for name, one in self.teachers.items() if isinstance(one, GivenModel)}

    def given_models(self) -> dict[str, GivenModel]:
        """The models that were trained elsewhere: teachers and baselines."""
        return {**self.given_teachers(), **self.baselines}

    def given_model(self, name: str) -> GivenModel:
        return entry_named(self.given_models(), "teachers with a checkpoint, and baselines", name)

    def ensemble(self, name: str) -> Ensemble:
        return entry_named(self.ensembles, "ensembles", name)

    def imported(self, name: str) -> Import:
        return entry_named(self.imports, "imports", name)

    def student(self, name: str) -> Student:
        return entry_named(self.students, "students", name)

    def members(self, teacher: str) -> list[str]:
        """The teachers with a model behind a name: itself, or those of an ensemble; none for an import or BM25.

        Raises ParamsError.
        """
        if teacher == BM25:
            return []
        if teacher in self.ensembles:
            return [member for member in self.ensembles[teacher].members if member in self.teachers]
        known = {**self.teachers, **self.ensembles, **self.imports}
        return (
            []
            if isinstance(entry_named(known, "teachers, ensembles and imports", teacher), FileElsewhere)
            else [teacher]
        )

    def learned_by(self, one: Teacher | Student) -> str:
        """The entry of `triples` that a teacher or student learns from."""
        return one.triples or next(iter(self.triples))

    def triples_named(self, name: str) -> Triples | GivenTriples | GivenLists | MinedTriples:
        return entry_named(self.triples, "triples", name)

    def mined(self, name: str) -> MinedTriples:
        return entry_named(self.mined_triples(), "triples that are mined", name)

    def mined_triples(self) -> dict[str, MinedTriples]:
        """The sets of triples that are mined."""
        return {name: one for name, one in self.triples.items() if isinstance(one, MinedTriples)}

    def label_names(self) -> list[str]:
        """All that label triples: teachers, ensembles and imports."""
        return [*self.teachers, *self.ensembles, *self.imports]


def entry_named(entries: dict[str, Entry], section: str, name: str) -> Entry:
    """An entry of a section. Raises ParamsError if there is no such entry."""
    if name not in entries:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}",
            got=f"no entry '{name}'",
            expected=f"one of {sorted(entries)}",
            remedy=did_you_mean(name, entries, "name one of these, or add the entry"),
        )
    return entries[name]
