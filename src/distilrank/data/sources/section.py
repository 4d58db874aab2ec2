"""The section `collection` of params.yaml: the keys that all sources share."""

import json
import posixpath
import re
from abc import abstractmethod
from collections.abc import Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from distilrank.data.sources.source import Source
from distilrank.sections.base import Checksum, Section, Share, SplitName, text_like

OnError = Literal["fail", "drop"]
# What precedes the id of a data set of the library ir_datasets.
IR_DATASETS = "ir_datasets:"
FileName = Annotated[str, Field(min_length=1)]
# A change of these keys does not make it another collection.
_PASSED_OVER = {"source", "name", "mirrors", "checksums", "on_error"}


class CollectionSection(Section):
    """Which source, and what of it."""

    # Keys that change the training queries alone. Models are compared across them, so they keep one name.
    only_for_training: ClassVar[frozenset[str]] = frozenset()
    # The collection is the same wherever its files are.
    one_of_a_kind: ClassVar[bool] = False

    source: str
    """Which one."""

    name: Annotated[str, text_like(r"^[A-Za-z0-9_-]+$", "name")] | None = None
    """Its name in the registry and the report. null: that of the source, data set, folder or archive."""

    on_error: OnError = "fail"
    """What happens to faulty rows. fail: `collect` stops. drop: they are left out, and listed in
    data/collection/dropped.tsv.
    """

    exclude_identical_ids: bool = False
    """Whether a passage with the query's id is left out of its results. In ArguAna and Quora it is the query itself."""

    dev_share: Share | None = None
    """Share of the training queries that become dev queries, if the collection has none."""

    dev_queries: Annotated[int, Field(ge=1)] | None = None
    """The most dev queries that are kept. null: all."""

    @abstractmethod
    def opened(self) -> Source:
        """Its tables. Raises CollectionError, DownloadError."""

    @abstractmethod
    def splits_to_come(self) -> set[str] | None:
        """The splits that it will have, as far as params and small local files tell. None where only reading it can
        tell."""

    @property
    def dev_from_train(self) -> tuple[float | None, int | None]:
        """The share of training queries that become dev queries if there are no others, and the most dev queries to
        keep."""
        return self.dev_share, self.dev_queries

    @property
    def places(self) -> Mapping[str, str]:
        """The folders or archives that it reads, by the keys that name them."""
        return {}

    @property
    def called(self) -> str:
        """Its `name`, else its source."""
        return self.name or self.source

    def unlike_others(self) -> str:
        """Distinguishes collections of one name: six digits of a digest of the params that differ from their defaults.

        Empty if none differs. What is only for training does not count. With a `name`, the location does not count.
        """
        own = self.model_dump(mode="json", exclude=_PASSED_OVER | self.only_for_training, exclude_defaults=True)
        location = own.pop("location", None)
        if location and not (self.one_of_a_kind or self.name):
            own["location"] = _place(location)
        return sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:6] if own else ""


class Located(CollectionSection):
    """Files below a folder or in an archive."""

    location: str = Field(min_length=1)
    """The folder or archive: a path, `https://` or `s3://`."""

    mirrors: list[str] = Field(default=[])
    """Other locations with the same files, tried in turn."""

    checksums: dict[str, Checksum] = Field(default={})
    """The digests of downloaded files, by file name."""

    unlabelled: FileName | None = None
    """A file of queries without qrels."""

    @property
    def places(self) -> Mapping[str, str]:
        return {"location": self.location}

    @property
    def called(self) -> str:
        """Its `name`, else that of its folder or archive."""
        path = PurePosixPath(urlsplit(self.location).path)
        return self.name or word_of(re.sub(r"\.(zip|tar|tgz|tar\.\w+)$", "", path.name)) or self.source


class QueryFiles(Section):
    """A split's files."""

    queries: FileName
    """The file of queries."""

    qrels: FileName
    """The file of qrels."""


class InFiles(Located):
    """A file of passages, and two files per split."""

    passages: FileName
    """The file of passages."""

    splits: Annotated[dict[SplitName, QueryFiles], Field(min_length=1)]
    """train, dev, and test sets of any name: the files of each."""

    def splits_to_come(self) -> set[str]:
        return set(self.splits)


def word_of(name: str) -> str:
    """A name with only letters, digits, underscores and hyphens."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def _place(location: str) -> str:
    """The location in one spelling, without a user's name and password."""
    parts = urlsplit(location)
    if not parts.netloc:
        return posixpath.normpath(location)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{posixpath.normpath(parts.path)}"
