"""MS MARCO's passages, from the files that Microsoft and NIST publish, in any of their forms."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import polars as pl

from distilrank.data.files import Files
from distilrank.data.sources.section import Located
from distilrank.data.tables import of_splits, read_passages, read_qrels, read_queries
from distilrank.data.text import Text
from distilrank.sections.base import SplitName

_ALL = "collectionandqueries.tar.gz"
PASSAGES = ("collection.tar.gz#collection.tsv", "collection.tsv", f"{_ALL}#collection.tsv")
# The queries and the qrels of each query set. The first file that exists counts.
QUERIES = {
    "train": ("queries.tar.gz#queries.train.tsv", "queries.train.tsv", f"{_ALL}#queries.train.tsv"),
    "dev": ("queries.tar.gz#queries.dev.tsv", "queries.dev.tsv", f"{_ALL}#queries.dev.tsv"),
    "dev.small": (f"{_ALL}#queries.dev.small.tsv", "queries.dev.small.tsv"),
    "trec-dl-2019": ("msmarco-test2019-queries.tsv",),
    "trec-dl-2020": ("msmarco-test2020-queries.tsv",),
}
QRELS = {
    "train": ("qrels.train.tsv", f"{_ALL}#qrels.train.tsv"),
    "dev": ("qrels.dev.tsv",),
    "dev.small": (f"{_ALL}#qrels.dev.small.tsv", "qrels.dev.small.tsv"),
    "trec-dl-2019": ("2019qrels-pass.txt",),
    "trec-dl-2020": ("2020qrels-pass.txt",),
}
# As Microsoft publishes them beside its files, and ir_datasets for NIST's.
CHECKSUMS = {
    "collection.tar.gz": "md5:87dd01826da3e2ad45447ba5af577628",
    _ALL: "md5:31644046b18952c1386cd4564ba2ae69",
    "queries.tar.gz": "md5:c177b2795d5f2dcc524cf00fcd973be1",
    "qrels.train.tsv": "md5:733fb9fe12d93e497f7289409316eccf",
    "qrels.dev.tsv": "md5:9157ccaeaa8227f91722ba5770787b16",
    "msmarco-test2019-queries.tsv.gz": "md5:eda71eccbe4d251af83150abe065368c",
    "msmarco-test2020-queries.tsv.gz": "md5:00a406fb0d14ed3752d70d1e4eb98600",
    "2019qrels-pass.txt": "md5:2f4be390198da108f6845c822e5ada14",
    "2020qrels-pass.txt": "md5:0355ccee7509ac0463e8278186cdd8d1",
}


class MsMarcoPassage(Located):
    """MS MARCO's passages by their official files."""

    one_of_a_kind: ClassVar[bool] = True

    source: Literal["msmarco-passage"]

    splits: dict[SplitName, Literal["train", "dev", "dev.small", "trec-dl-2019", "trec-dl-2020"]]
    """train, dev, and test sets of any name: the query set of each."""

    @property
    def called(self) -> str:
        return self.name or self.source

    def splits_to_come(self) -> set[str]:
        return set(self.splits)

    def opened(self) -> "MsMarcoPassageSource":
        return MsMarcoPassageSource(self)


class MsMarcoPassageSource:
    """Reads the tables. Checksums in the params override the published ones."""

    def __init__(self, params: MsMarcoPassage) -> None:
        self._params = params
        self._files = Files(params.location, params.mirrors, CHECKSUMS | params.checksums)

    def passages(self) -> Iterator[pl.DataFrame]:
        return read_passages(self._files.text(*PASSAGES))

    def queries(self) -> pl.DataFrame:
        splits = self._params.splits.items()
        labelled = {split: read_queries(self._files.text(*QUERIES[name])) for split, name in splits}
        return of_splits(labelled, read_queries(self._unlabelled()) if self._params.unlabelled else None)

    def qrels(self) -> pl.DataFrame:
        splits = self._params.splits.items()
        return pl.concat(read_qrels(self._files.text(*QRELS[name]), split) for split, name in splits)

    def _unlabelled(self) -> Text:
        return self._files.text(self._params.unlabelled or "")
