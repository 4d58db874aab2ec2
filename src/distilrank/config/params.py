"""params.yaml as a whole, and how its sections must agree."""

from itertools import product
from typing import Self

from pydantic import model_validator

from distilrank.artifacts.layout import OWN
from distilrank.config.circles import circle_of
from distilrank.config.derived import (
    built_indexes,
    measured_names,
    measured_on,
    measures_of,
    ranker_names,
    ranker_of,
    stored_students,
)
from distilrank.config.entries import Entries
from distilrank.config.labelling import learns_from_imports_alone
from distilrank.config.names import BACKBONE, CONTROL, IMPORTED, START
from distilrank.config.starts import source_of, starts_from_teacher
from distilrank.config.systems import faults_of_systems
from distilrank.data.hub import BUNDLED
from distilrank.errors import nearest
from distilrank.evaluation.tasks import RERANK, evaluation_of, kind_of, task_of
from distilrank.retrieval.kinds import INDEX_KINDS
from distilrank.sections.data import BM25, Triples
from distilrank.sections.measuring import relative_floor


class Params(Entries):
    """The whole of params.yaml."""

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        names = [*self.label_names(), *self.students, *self.baselines, *self.systems]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                "teachers, ensembles, imports, students, baselines and systems must differ in name; more than one has "
                f"{twice}"
            )
        if taken := {BM25, "given", BACKBONE, START, CONTROL} & set(names):
            raise ValueError(f"{min(taken)} has another meaning in the results: choose another name")
        if BUNDLED in names and BUNDLED not in self.baselines:
            raise ValueError(
                f"{BUNDLED} names the bundled backbone, which students may start from: choose another name"
            )
        if IMPORTED in self.triples:
            raise ValueError(f"triples.{IMPORTED} already names the triples of imports: choose another name")
        known = (
            *(
                (f"ensembles.{name}.members", one.members, [*self.teachers, BM25])
                for name, one in self.ensembles.items()
            ),
            *(
                (f"{section}.{name}.triples", [self.learned_by(one)], list(self.triples))
                for section, entries in (("teachers", self.trained_teachers()), ("students", self.students))
                for name, one in entries.items()
            ),
            ("matrix.teachers", self.matrix.teachers, [*self.label_names(), BM25]),
            ("matrix.controls", self.matrix.controls, list(self.students)),
            ("matrix.controls_per_teacher", self.matrix.controls_per_teacher, list(self.students)),
        )
        for where, given, allowed in known:
            if strange := [name for name in given if name not in allowed]:
                meant = [near for name in strange if (near := nearest(name, allowed))]
                asked = f": did you mean {' and '.join(meant)}?" if meant else ""
                raise ValueError(f"{where} may name the entries {allowed}, not {strange}{asked}")
        return self

    @model_validator(mode="after")
    def each_names_its_triples_where_there_are_several(self) -> Self:
        """The order of the sets means nothing, because DVC does not see it."""
        if len(self.triples) > 1:
            for section, entries in (("teachers", self.trained_teachers()), ("students", self.students)):
                if silent := [name for name, one in entries.items() if one.triples is None]:
                    raise ValueError(
                        f"{' and '.join(f'{section}.{name}.triples' for name in silent)} must name one of "
                        f"{list(self.triples)}, not null"
                    )
        return self

    @model_validator(mode="after")
    def in_batch_teachers_can_score_batches(self) -> Self:
        for name, student in self.students.items():
            if student.in_batch is None:
                continue
            # A given teacher is checked when the training reads its checkpoint.
            trained = self.trained_teachers().items()
            can = [*self.given_teachers(), *(one for one, teacher in trained if teacher.ranker.meets_in_products)]
            if student.in_batch.teacher not in can:
                raise ValueError(
                    f"students.{name}.in_batch.teacher may name the teachers {can}, whose texts meet in products "
                    f"alone, not {student.in_batch.teacher}"
                )
        return self

    @model_validator(mode="after")
    def seeds_are_others(self) -> Self:
        for name, student in self.students.items():
            if student.training.seed in self.matrix.seeds:
                raise ValueError(
                    f"matrix.seeds has {student.training.seed}, which students.{name} has anyway: name others"
                )
        return self

    @model_validator(mode="after")
    def teachers_have_the_layers_that_students_start_from(self) -> Self:
        known = self._models_that_teach()
        for name, teacher in product(self.students, self.matrix.teachers):
            if starts_from_teacher(self, name) and not self.members(teacher):
                raise ValueError(f"students.{name} cannot start from {teacher}, which has scores but no weights")
            source = source_of(self, name, teacher)
            if not source.model:
                continue
            if source.model not in known:
                raise ValueError(f"students.{name}.start may name the models {known}, not '{source.model}'")
            # Only a given teacher's checkpoint tells which layers it has. `distilrank check` reads it.
            ranker = ranker_of(self, source.model)
            reason = ranker and self.students[name].ranker.why_not_from(ranker)
            if ranker and not reason and max(source.layers or [0]) >= ranker.layers:
                reason = f"which has {ranker.layers} layers, counted from 0"
            if reason:
                told = teacher if starts_from_teacher(self, name) else source.model
                raise ValueError(f"students.{name} cannot start from {told}, {reason}")
        return self

    @model_validator(mode="after")
    def mined_triples_have_sources(self) -> Self:
        rankers = {name: ranker_of(self, name) for name in self._models_that_teach()}
        dense = [BM25, *(name for name, ranker in rankers.items() if ranker is None or ranker.one_vector)]
        for name, one in self.mined_triples().items():
            if strange := [source for source in one.models() if source not in dense]:
                raise ValueError(f"triples.{name}.from may name {BM25} and the dense models {dense[1:]}, not {strange}")
            known = list(self.teachers)
            if one.filter and one.filter.teacher not in known:
                raise ValueError(f"triples.{name}.filter may name the teachers {known}, not '{one.filter.teacher}'")
        return self

    @model_validator(mode="after")
    def indexes_are_of_encoded_students(self) -> Self:
        # Without a control, nobody could tell what the teacher added. Without labels, there can be none.
        needs_control = not learns_from_imports_alone(self)
        may_search = [name for name in self.students if name in self.matrix.controls or not needs_control]
        rankers = {name: self.students[name].ranker for name in may_search}
        for name, kind in self.indexes.items():
            student = kind.of or name
            fitting = [one for one, ranker in rankers.items() if kind.can_hold(ranker)]
            if student not in fitting:
                what = f"students with {'a control and ' if needs_control else ''}{kind.holds}"
                raise ValueError(f"indexes.{name} may be of the {what} {fitting}, not {student}")
            if kind.is_exact and name != student:
                raise ValueError(f"indexes.{name} is {kind.kind}, which goes by its student's name: call it {student}")
            if not kind.is_exact and student not in stored_students(self, only_searched=kind.needs_search):
                exact = {one: other for one, other in INDEX_KINDS.items() if other.is_exact}
                enough = (one for one, other in exact.items() if other.searches or not kind.needs_search)
                add = next(one for one in enough if exact[one].can_hold(rankers[student]))
                raise ValueError(
                    f"indexes.{name} is of {student}, whose passages are not encoded"
                    f"{' to be searched' if kind.needs_search else ''}: add {student}: {{kind: {add}}} to indexes"
                )
        taken = {*measured_names(self), *ranker_names(self)} & {one.name for one in built_indexes(self)}
        if taken:
            raise ValueError(f"indexes make {min(taken)}, which is already the name of a ranker: rename the entry")
        if strange := [name for name in self.audit.floors if name not in self.indexes or self.indexes[name].is_exact]:
            known = [name for name, kind in self.indexes.items() if not kind.is_exact]
            raise ValueError(f"audit.floors may name the approximate indexes {known}, not {strange}")
        return self

    @model_validator(mode="after")
    def systems_name_what_is_there(self) -> Self:
        if faults := list(faults_of_systems(self)):
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def nothing_needs_itself(self) -> Self:
        if circle := circle_of(self):
            first, *others = circle
            other = "another first stage" if first.startswith("systems.") else "what an earlier round makes"
            raise ValueError(f"{first} needs {', which needs '.join(others)}: a circle; name {other}")
        return self

    @model_validator(mode="after")
    def depths_agree(self) -> Self:
        draws = [
            (f"triples.{name}.negatives_from", one.negatives_from)
            for name, one in self.triples.items()
            if isinstance(one, Triples)
        ]
        depth, train_depth = self.candidates.depth, self.candidates.train_depth
        for section, needed, where, most in (
            *((name, needed, "train_depth", train_depth) for name, needed in draws),
            ("validation.depth", self.validation.depth, "depth", depth),
            ("evaluation.depth", self.evaluation.depth, "depth", depth),
        ):
            if needed > most:
                raise ValueError(f"{section} is {needed}, beyond candidates.{where}, {most}")
        for name, one in self.evaluations.items():
            if (needed := measured_on(self, name).depth) > one.candidates.depth:
                told = f"evaluations.{name}.depth" if one.depth else "evaluation.depth"
                raise ValueError(
                    f"{told} is {needed}, beyond evaluations.{name}.candidates.depth, {one.candidates.depth}"
                )
        return self

    @model_validator(mode="after")
    def named_rankers_are_there(self) -> Self:
        """`report.expected` may name other rankers: its figures outlive a change of the students."""
        known = ["control", self.candidates.first_stage(), *ranker_names(self)]
        floors = [relative_floor(floor) for *_, floor in self.promotion.every_floor(self.evaluation.primary)]
        named = [relative[0] for relative in floors if relative]
        if strange := [name for name in named if name not in known]:
            raise ValueError(f"promotion.floors may name the rankers {known}, not {strange}")
        return self

    @model_validator(mode="after")
    def every_collection_has_the_primary_measure(self) -> Self:
        primary = self.evaluation.primary
        for name in self.evaluations:
            if primary not in measures_of(self, RERANK, name):
                raise ValueError(
                    f"evaluations.{name} re-ranks {measured_on(self, name).depth} passages, and {primary}, the first "
                    "of evaluation.measures, is the same for every order of these: name another first, or re-rank more"
                )
        return self

    @model_validator(mode="after")
    def named_measures_are_measured(self) -> Self:
        rule = self.no_worse()
        if evaluation_of(rule.task, self.evaluations) != OWN:
            raise ValueError(
                f"promotion.no_worse.task is {rule.task}: name a task of the collection that models learn from"
            )
        collections = self.collections_named()
        floors = self.promotion.every_floor(self.evaluation.primary)
        named = [
            *(("promotion.floors", task, evaluation_of(task, self.evaluations), one) for task, one, _ in floors),
            ("promotion.no_worse", rule.task, OWN, rule.measure),
            *(
                ("report.expected", task_of(one.test_set, one.task, [one.test_set], on), on, one.measure)
                for one in self.report.expected
                if (on := collections.get(one.collection))
            ),
        ]
        for where, task, evaluation, measure in named:
            known = measures_of(self, kind_of(task), evaluation)
            if measure not in known:
                raise ValueError(
                    f"{where} may name the measures {known} of {task}, not {measure}: these follow from "
                    "evaluation.measures and the depth"
                )
        return self

    def _models_that_teach(self) -> list[str]:
        """The models that students may start from, and that may find their triples: all but baselines."""
        return [name for name in measured_names(self) if name not in self.baselines]
