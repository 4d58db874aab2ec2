"""params.yaml as typed values: one frozen model a section; unknown keys and values out of range are refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from distilrank.errors import ParamsError

PARAMS_FILE = Path("params.yaml")

Share = Annotated[float, Field(gt=0, lt=1)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
LossName = Literal["margin-mse", "ranknet"]
Entry = TypeVar("Entry")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AwsApiDocs(Section):
    """The embedded default: the operations of the AWS services that botocore describes."""

    source: Literal["aws-api-docs"]
    services: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    minimum_words: int = Field(ge=1)
    dev_share: Share
    test_share: Share

    @model_validator(mode="after")
    def leaves_queries_to_train_on(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share leave no training queries: their sum must be below 1")
        return self


class ParquetTables(Section):
    """Your own passages.parquet, queries.parquet and qrels.parquet, in a folder below collections/."""

    source: Literal["parquet"]
    path: str = Field(pattern=r"^collections/[^/.][^/]*$")


Collection = Annotated[AwsApiDocs | ParquetTables, Field(discriminator="source")]


class Backbone(Section):
    model: str = Field(min_length=1)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


class Tokens(Section):
    query_length: int = Field(ge=1, le=512)
    passage_length: int = Field(ge=1, le=8192)


class Candidates(Section):
    depth: int = Field(ge=1, le=1000)
    k1: float = Field(gt=0)
    b: float = Field(ge=0, le=1)


class Triples(Section):
    count: int = Field(ge=1)
    negatives_from: int = Field(ge=1)
    seed: int = Field(ge=0)


class CatRanker(Section):
    architecture: Literal["cat"]
    layers: int = Field(ge=1)


class DotRanker(Section):
    architecture: Literal["dot"]
    layers: int = Field(ge=1)
    pooling: Literal["cls", "mean"]


Ranker = Annotated[CatRanker | DotRanker, Field(discriminator="architecture")]


class Training(Section):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    warmup_share: float = Field(ge=0, lt=1)
    validate_every: int = Field(ge=1)
    patience: int = Field(ge=1)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def ends_on_a_validation(self) -> Self:
        if self.steps % self.validate_every:
            raise ValueError(f"steps must be a multiple of validate_every, {self.validate_every}")
        return self


class Teacher(Section):
    ranker: Ranker
    loss: Literal["ranknet"]
    training: Training


class Student(Section):
    # Every student is indexed, so it must be dense.
    ranker: DotRanker
    loss: Literal["margin-mse"]
    control_loss: Literal["ranknet"]
    training: Training


class Validation(Section):
    queries: int = Field(ge=1)
    depth: int = Field(ge=1)


class Scoring(Section):
    pairs_per_part: int = Field(ge=1)


class Evaluation(Section):
    depth: int = Field(ge=10)
    minimum_relevance: int = Field(ge=1)


class Latency(Section):
    queries: int = Field(ge=1)


class Report(Section):
    examples: int = Field(ge=1)


class Params(Section):
    """The whole of params.yaml."""

    collection: Collection
    backbone: Backbone
    tokens: Tokens
    candidates: Candidates
    triples: Triples
    teachers: Annotated[dict[ModelName, Teacher], Field(min_length=1)]
    students: Annotated[dict[ModelName, Student], Field(min_length=1)]
    validation: Validation
    scoring: Scoring
    evaluation: Evaluation
    latency: Latency
    report: Report

    @model_validator(mode="after")
    def names_and_depths_agree(self) -> Self:
        if both := set(self.teachers) & set(self.students):
            raise ValueError(f"teachers and students must differ in name; both have {sorted(both)}")
        if "bm25" in {*self.teachers, *self.students}:
            raise ValueError("bm25 is the name of the ranker that needs no training: choose another")
        for section, depth in (
            ("triples.negatives_from", self.triples.negatives_from),
            ("validation.depth", self.validation.depth),
            ("evaluation.depth", self.evaluation.depth),
        ):
            if depth > self.candidates.depth:
                raise ValueError(f"{section} is {depth}, beyond candidates.depth, {self.candidates.depth}")
        return self

    def teacher(self, name: str) -> Teacher:
        return _entry(self.teachers, "teachers", name)

    def student(self, name: str) -> Student:
        return _entry(self.students, "students", name)

    def model_names(self) -> list[str]:
        """The trained models in the order of the report: teachers, then each student after its control."""
        students = [
            name
            for student in self.students
            for name in (student, *(distilled_name(student, teacher) for teacher in self.teachers))
        ]
        return [*self.teachers, *students]


def distilled_name(student: str, teacher: str) -> str:
    """The name of `student` when `teacher` taught it; the bare name is its control."""
    return f"{student}-{teacher}"


def read_params(path: Path = PARAMS_FILE) -> Params:
    """Reads and checks params.yaml. Raises ParamsError."""
    # YAML 1.2, as DVC reads it: 7e-6 is a number.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.is_file():
        raise ParamsError(
            path, got="no such file", expected="the parameters", remedy="run from the root of the project"
        )
    try:
        values = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(path, got=f"no YAML ({error})", expected="valid YAML", remedy="mend the file") from error
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise _as_params_error(path, error) from error


def _entry(entries: dict[str, Entry], section: str, name: str) -> Entry:
    if name not in entries:
        raise ParamsError(
            f"{PARAMS_FILE}: {section}",
            got=f"no entry '{name}'",
            expected=f"one of {sorted(entries)}",
            remedy="name one of these, or add the entry",
        )
    return entries[name]


def _as_params_error(path: Path, error: ValidationError) -> ParamsError:
    errors: list[Any] = error.errors(include_url=False)
    # A misspelt key is unknown and, under its right name, missing: the first says more.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(str(part) for part in first["loc"]) or "top level"
    got = {"missing": "nothing", "extra_forbidden": "an unknown key"}.get(first["type"], repr(first["input"]))
    if len(got) > 80:
        got = got[:77] + "..."
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return ParamsError(f"{path}: {where}", got=got, expected=f"{_expected(first)}{more}", remedy="mend the file")


def _expected(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "this key"
        case "extra_forbidden":
            return "a key that is known here"
        case _:
            message: str = error["msg"]
            return message.removeprefix("Input should be ").removeprefix("Value error, ")
