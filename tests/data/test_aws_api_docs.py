"""The embedded collection: operations as passages, their names in words as queries."""

import polars as pl
import pytest

from distilrank.data.aws_api_docs import plain_text, read_aws_api_docs, words_of
from distilrank.errors import CollectionError
from distilrank.sections import AwsApiDocs

FLEETS = AwsApiDocs(source="aws-api-docs", services=["iotfleetwise"], minimum_words=12, dev_share=0.2, test_share=0.2)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("DeleteFleet", "delete fleet"),
        ("DescribeDBInstances", "describe db instances"),
        ("GetV2Logging", "get v 2 logging"),
        ("ListTagsForResource", "list tags for resource"),
    ],
)
def test_an_operations_name_is_read_as_words(operation: str, words: str) -> None:
    assert words_of(operation) == words


def test_html_becomes_text_with_entities_resolved() -> None:
    assert (
        plain_text("<p>Deletes &amp; <b>purges</b></p><ul><li>one</li><li>two</li></ul>") == "Deletes & purges one two"
    )


def test_the_query_for_an_operation_finds_that_operation_relevant() -> None:
    collection = read_aws_api_docs(FLEETS)
    query = collection.queries.row(by_predicate=pl.col("query_id") == "iotfleetwise:DeleteFleet", named=True)
    assert query["text"] == "IoTFleetWise delete fleet"
    relevant = collection.qrels.filter(collection.qrels["query_id"] == "iotfleetwise:DeleteFleet")
    assert relevant["passage_id"].to_list() == ["iotfleetwise:DeleteFleet"]


def test_a_split_does_not_change_when_other_services_come() -> None:
    alone, together = (
        read_aws_api_docs(FLEETS),
        read_aws_api_docs(FLEETS.model_copy(update={"services": ["iotfleetwise", "s3"]})),
    )
    joined = alone.queries.join(together.queries, on="query_id", suffix="_together")
    assert len(joined) == len(alone.queries)
    assert (joined["split"] == joined["split_together"]).all()


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(CollectionError, match="iotfleetwize"):
        read_aws_api_docs(FLEETS.model_copy(update={"services": ["iotfleetwize"]}))
