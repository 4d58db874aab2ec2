"""The section `collection` of params.yaml: where the passages, queries and qrels come from."""

import json
import posixpath
import re
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, model_validator

from distilrank.sections import Checksum, Section, Share, SplitName

OnError = Literal["fail", "drop"]
FileName = Annotated[str, Field(min_length=1)]
# Of the data sets of the library ir_datasets; what follows is the data set's id.
IR_DATASETS = "ir_datasets:"


class AwsApiDocs(Section):
    """The embedded default: the operations of the AWS services that botocore describes."""

    on_error: ClassVar[OnError] = "fail"
    # A query and its relevant passage go by the same id.
    exclude_identical_ids: ClassVar[bool] = False

    source: Literal["aws-api-docs"]
    services: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    minimum_words: int = Field(default=12, ge=1)
    dev_share: Share = 0.02
    test_share: Share = 0.02

    @model_validator(mode="after")
    def leaves_queries_to_train_on(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share leave no training queries: their sum must be below 1")
        return self


class Brought(Section):
    """What users bring may have errors, which `on_error` fails on or drops.

    `dev_share` of the training queries are for development where there are no dev queries; where there are more than
    `dev_queries`, so many are kept. `exclude_identical_ids` leaves the passage by a query's own id out of what is found
    for it: in ArguAna and Quora that is the query itself. `name` is what the registry and the report call it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    on_error: OnError = "fail"
    exclude_identical_ids: bool = False
    dev_share: Share | None = None
    dev_queries: Annotated[int, Field(ge=1)] | None = None


class Located(Brought):
    """Files below a folder or in an archive, by path or URL; `unlabelled` is a file of queries without qrels."""

    location: str = Field(min_length=1)
    mirrors: list[str] = Field(default=[])
    checksums: dict[str, Checksum] = Field(default={})
    unlabelled: FileName | None = None


class ParquetTables(Located):
    """Your own passages.parquet, queries.parquet and qrels.parquet."""

    source: Literal["parquet"]
    unlabelled: None = None  # its queries say so themselves


class Beir(Located):
    """BEIR's layout: corpus.jsonl, queries.jsonl, and qrels/NAME.tsv for each split.

    Identical ids are excluded as BEIR's own evaluation does, so that figures can be compared.
    """

    exclude_identical_ids: bool = True

    source: Literal["beir"]
    splits: dict[SplitName, FileName] = Field(default={"train": "train", "dev": "dev", "test": "test"})


class MsMarcoPassage(Located):
    """MS MARCO's passages by their official files; `splits` names its query sets."""

    source: Literal["msmarco-passage"]
    splits: dict[SplitName, Literal["train", "dev", "dev.small", "trec-dl-2019", "trec-dl-2020"]]


class QueryFiles(Section):
    queries: FileName
    qrels: FileName


class SeparatedFiles(Located):
    """Tab-separated passages (id, text; or id, title, text) and queries (id, text), and qrels."""

    source: Literal["tsv"]
    passages: FileName
    splits: Annotated[dict[SplitName, QueryFiles], Field(min_length=1)]


class TrecFiles(Located):
    """TREC's own forms: documents in <DOC>, topics in <top>, and qrels."""

    source: Literal["trec"]
    passages: FileName
    splits: Annotated[dict[SplitName, QueryFiles], Field(min_length=1)]


class IrDataset(Brought):
    """A data set of ir_datasets; `splits` names the data sets below it that have the queries and qrels."""

    source: Annotated[str, Field(pattern=rf"^{IR_DATASETS}.+$")]
    splits: Annotated[dict[SplitName, FileName], Field(min_length=1)]
    unlabelled: FileName | None = None

    @model_validator(mode="before")
    @classmethod
    def evaluates_as_beir_does(cls, section: Any) -> Any:
        is_of_beir = isinstance(section, dict) and str(section.get("source")).startswith(f"{IR_DATASETS}beir/")
        return {"exclude_identical_ids": True} | section if is_of_beir else section


def _kind(section: Any) -> str | None:
    source = section.get("source") if isinstance(section, dict) else getattr(section, "source", None)
    return IR_DATASETS if str(source).startswith(IR_DATASETS) else source


Collection = Annotated[
    Annotated[AwsApiDocs, Tag("aws-api-docs")]
    | Annotated[ParquetTables, Tag("parquet")]
    | Annotated[Beir, Tag("beir")]
    | Annotated[MsMarcoPassage, Tag("msmarco-passage")]
    | Annotated[SeparatedFiles, Tag("tsv")]
    | Annotated[TrecFiles, Tag("trec")]
    | Annotated[IrDataset, Tag(IR_DATASETS)],
    Discriminator(_kind),
]


def collection_name(collection: Collection) -> str:
    """What the collection is called: its `name`, else its source, its id, or its folder's or archive's name."""
    if isinstance(collection, AwsApiDocs):
        return collection.source
    if collection.name:
        return collection.name
    if isinstance(collection, MsMarcoPassage):
        return collection.source
    if isinstance(collection, IrDataset):
        name = collection.source.removeprefix(IR_DATASETS)
    else:
        name = re.sub(r"\.(zip|tar|tgz|tar\.\w+)$", "", PurePosixPath(urlsplit(collection.location).path).name)
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or collection.source


def unlike_others(collection: Collection) -> str:
    """What tells collections of one name apart: six digits of a digest of the params that are not as they come.

    Empty where all are. How its files are had, and what happens to faulty rows, is left out; with a `name`, so is
    the location.
    """
    passed_over = {"source", "name", "mirrors", "checksums", "on_error"}
    if isinstance(collection, AwsApiDocs | MsMarcoPassage) or collection.name:
        passed_over.add("location")
    own = collection.model_dump(mode="json", exclude=passed_over, exclude_defaults=True)
    if "location" in own:
        own["location"] = _place(own["location"])
    return sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:6] if own else ""


def _place(location: str) -> str:
    """Where it is, however it is spelled, and whoever asks for it."""
    parts = urlsplit(location)
    if not parts.netloc:
        return posixpath.normpath(location)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{posixpath.normpath(parts.path)}"
