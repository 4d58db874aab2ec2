"""params.yaml as a whole: how its sections must agree."""

from typing import Self

from pydantic import model_validator

from distilrank.config.derived import measures_of, ranker_names
from distilrank.config.entries import Entries
from distilrank.config.names import BACKBONE, CONTROL, IMPORTED, START
from distilrank.sections.data import Triples
from distilrank.sections.measuring import relative_floor


class Params(Entries):
    """The whole of params.yaml."""

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        names = [*self.label_names(), *self.students]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"teachers, ensembles, imports and students must differ in name; more than one has {twice}"
            )
        if taken := {"bm25", "given", BACKBONE, START, CONTROL} & set(names):
            raise ValueError(f"{min(taken)} names something else in the results: choose another")
        if IMPORTED in self.triples:
            raise ValueError(f"triples.{IMPORTED} names something else, the triples of imports: choose another")
        controls = {name: self.students[name] for name in self.matrix.controls if name in self.students}
        dense = [name for name, student in controls.items() if student.ranker.one_vector]
        known = (
            *((f"ensembles.{name}.members", one.members, list(self.teachers)) for name, one in self.ensembles.items()),
            *(
                (f"{section}.{name}.triples", [self.learned_by(one)], list(self.triples))
                for section, entries in (("teachers", self.trained_teachers()), ("students", self.students))
                for name, one in entries.items()
            ),
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
    def each_names_its_triples_where_there_are_several(self) -> Self:
        """The order of the sets means nothing: DVC does not see it."""
        if len(self.triples) > 1:
            for section, entries in (("teachers", self.trained_teachers()), ("students", self.students)):
                if silent := [name for name, one in entries.items() if one.triples is None]:
                    raise ValueError(f"{section}.{silent[0]}.triples must name one of {list(self.triples)}, not null")
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
            # What layers a given one has is told by its checkpoint alone: `distilrank check` looks there.
            first = self.trained_teachers().get(members[0]) if members else None
            reason = first and student.ranker.why_not_from(first.ranker)
            if student.start == "teacher" and reason:
                raise ValueError(f"students.{name} cannot start from {teacher}, {reason}")
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
