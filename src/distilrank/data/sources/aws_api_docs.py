"""The embedded collection: one passage and one query per operation of the AWS services that botocore describes."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Annotated, Any, ClassVar, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from distilrank.data.collection import TRAIN, UNLABELLED
from distilrank.data.lots import lot_of
from distilrank.data.sources.section import CollectionSection
from distilrank.errors import CollectionError
from distilrank.sections.base import Share

# "GetDBInstance2" -> Get DB Instance 2
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|\d+")
# More than a hundred services have these. If one fell into the test set, a third of that would be alike.
_ALWAYS_TRAIN = {"tag resource", "untag resource", "list tags for resource"}


class AwsApiDocs(CollectionSection):
    """The embedded default: the operations of the AWS services that botocore describes."""

    one_of_a_kind: ClassVar[bool] = True
    only_for_training: ClassVar[frozenset[str]] = frozenset({"labelled", "without_labels"})

    source: Literal["aws-api-docs"]

    services: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    """AWS services as boto3 spells them, such as ec2 and s3."""

    minimum_words: int = Field(default=12, ge=1)
    """Operations with shorter descriptions are left out."""

    dev_share: Share = 0.02
    """Share of the operations that are dev queries."""

    test_share: Share = 0.02
    """Share of the operations that are test queries."""

    labelled: Annotated[int, Field(ge=1)] | None = None
    """Training queries that keep their label. null: all. Which ones does not depend on the number: more keep those of
    fewer.
    """

    without_labels: int = Field(default=0, ge=0)
    """How many of the other training queries become unlabelled queries. The rest is left out."""

    # Other sources let the user choose these.
    name: None = None
    on_error: Literal["fail"] = "fail"
    exclude_identical_ids: Literal[False] = False
    dev_queries: None = None

    @model_validator(mode="after")
    def leaves_queries_to_train_on(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share leave no training queries: their sum must be below 1")
        return self

    @model_validator(mode="after")
    def has_queries_without_labels(self) -> Self:
        if self.without_labels and self.labelled is None:
            raise ValueError("without_labels needs labelled: otherwise every training query keeps its label")
        return self

    @property
    def dev_from_train(self) -> tuple[None, None]:
        """No share or number: the dev queries are drawn from all operations, as the test queries are."""
        return None, None

    def splits_to_come(self) -> None:
        """None: the splits are shares of what it holds."""

    def opened(self) -> "AwsApiDocsSource":
        return AwsApiDocsSource(self)


class AwsApiDocsSource:
    """The tables of the embedded collection. An operation's query and its one relevant passage have the same id."""

    def __init__(self, params: AwsApiDocs) -> None:
        rows = [row for service in _services(params) for row in _operations(service, params)]
        columns = dict.fromkeys(["passage_id", "title", "text", "query", "split"], pl.String)
        operations = pl.DataFrame(rows, schema=columns, orient="row")
        self._operations = operations if params.labelled is None else _with_few_labels(operations, params)

    def passages(self) -> Iterator[pl.DataFrame]:
        yield self._operations.select("passage_id", "title", "text")

    def queries(self) -> pl.DataFrame:
        return self._operations.drop_nulls("split").select("split", query_id="passage_id", text="query")

    def qrels(self) -> pl.DataFrame:
        labelled = self._operations.filter(pl.col("split") != UNLABELLED)
        return labelled.select("passage_id", "split", query_id="passage_id", relevance=pl.lit(1, pl.Int64))


def plain_text(html: str) -> str:
    """The text of a piece of HTML, with each run of white space as one space."""
    parser = _TextParser()
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.pieces).split())


def words_of(operation: str) -> str:
    """The words of a name: DeleteDBInstance -> delete db instance."""
    return " ".join(_WORD.findall(operation)).lower()


def _services(params: AwsApiDocs) -> list[str]:
    available = _service_models().list_available_services("service-2")
    if params.services == "all":
        return list(available)
    if unknown := sorted(set(params.services) - set(available)):
        raise CollectionError(
            "params.yaml: collection.services",
            got=f"{unknown}",
            expected="names of AWS services as boto3 spells them",
            remedy="see boto3.Session().get_available_services()",
        )
    return params.services


def _service_models() -> Any:
    """A loader of what botocore ships. By default it would also read models in the user's home directory."""
    from botocore.loaders import Loader

    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _operations(service: str, params: AwsApiDocs) -> Iterator[tuple[str, str, str, str, str]]:
    model = _service_models().load_service_model(service, "service-2")
    metadata = model["metadata"]
    for name, operation in model["operations"].items():
        text = plain_text(operation.get("documentation", ""))
        if len(text.split()) >= params.minimum_words:
            passage_id = f"{service}:{name}"
            words = words_of(name)
            query = f"{metadata.get('serviceId', service)} {words}"
            yield passage_id, metadata["serviceFullName"], text, query, _split(words, params)


def _split(words: str, params: AwsApiDocs) -> str:
    """The split by a hash of the words. Services that share them share the split, and keep it when others come or
    go."""
    if words in _ALWAYS_TRAIN:
        return "train"
    share = lot_of(words)
    if share < params.test_share:
        return "test"
    return "dev" if share < params.test_share + params.dev_share else "train"


def _with_few_labels(operations: pl.DataFrame, params: AwsApiDocs) -> pl.DataFrame:
    """The operations, of which few training queries keep their label. Some others are unlabelled, and the rest have no
    split. Lots decide."""
    lots = pl.col("passage_id").map_elements(lot_of, pl.Float64)
    trained = operations.filter(pl.col("split") == TRAIN).select("passage_id", lot=lots).sort("lot")
    labelled = trained["passage_id"].head(params.labelled or 0).implode()
    others = trained["passage_id"].slice(params.labelled or 0, params.without_labels).implode()
    split = (
        pl.when(pl.col("split") != TRAIN)
        .then("split")
        .when(pl.col("passage_id").is_in(labelled))
        .then(pl.lit(TRAIN))
        .when(pl.col("passage_id").is_in(others))
        .then(pl.lit(UNLABELLED))
    )
    return operations.with_columns(split=split)


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"p", "li", "br", "dt", "dd", "tr", "td"}:
            self.pieces.append(" ")
