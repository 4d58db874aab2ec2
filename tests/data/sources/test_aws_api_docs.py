"""The embedded collection: operations as passages, their names in words as queries."""

import polars as pl
import pytest

from distilrank.data.sources.aws_api_docs import AwsApiDocs, AwsApiDocsSource, plain_text, words_of
from distilrank.errors import CollectionError

FLEETS = AwsApiDocs(source="aws-api-docs", services=["iotfleetwise"], minimum_words=12, dev_share=0.2, test_share=0.2)
WHOLE = AwsApiDocs(source="aws-api-docs", minimum_words=12, dev_share=0.02, test_share=0.02)


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
    source = AwsApiDocsSource(FLEETS)
    query = source.queries().row(by_predicate=pl.col("query_id") == "iotfleetwise:DeleteFleet", named=True)
    assert query["text"] == "IoTFleetWise delete fleet"
    relevant = source.qrels().filter(pl.col("query_id") == "iotfleetwise:DeleteFleet")
    assert relevant["passage_id"].to_list() == ["iotfleetwise:DeleteFleet"]


def test_a_split_does_not_change_when_other_services_come() -> None:
    alone, together = (
        AwsApiDocsSource(FLEETS).queries(),
        AwsApiDocsSource(FLEETS.model_copy(update={"services": ["iotfleetwise", "s3"]})).queries(),
    )
    joined = alone.join(together, on="query_id", suffix="_together")
    assert len(joined) == len(alone)
    assert (joined["split"] == joined["split_together"]).all()


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(CollectionError, match="iotfleetwize"):
        AwsApiDocsSource(FLEETS.model_copy(update={"services": ["iotfleetwize"]}))


def test_no_split_asks_the_words_of_another() -> None:
    """Learned of one service, `delete cluster` would be known of every other."""
    queries = AwsApiDocsSource(WHOLE).queries()
    words = queries["query_id"].str.split(":").list.last().map_elements(words_of, pl.String)
    splits = queries.with_columns(words=words).group_by("words").agg(pl.col("split").n_unique())
    assert splits["split"].max() == 1
    assert queries["split"].n_unique() == 3


def test_test_queries_are_many_different_ones() -> None:
    queries = AwsApiDocsSource(WHOLE).queries()
    for split in ("dev", "test"):
        asked = queries.filter(pl.col("split") == split)["query_id"].str.split(":").list.last()
        assert 200 < len(asked) < 320
        assert asked.value_counts()["count"].max() < 0.05 * len(asked)


def few(labelled: int, without_labels: int) -> AwsApiDocs:
    return FLEETS.model_copy(update={"labelled": labelled, "without_labels": without_labels})


def test_few_training_queries_keep_their_label_and_others_are_asked_without_one() -> None:
    every, source = AwsApiDocsSource(FLEETS), AwsApiDocsSource(few(5, 7))
    queries, qrels = source.queries(), source.qrels()
    numbers = dict(queries["split"].value_counts().iter_rows())
    kept = dict(every.queries()["split"].value_counts().iter_rows())
    assert numbers == {"train": 5, "unlabelled": 7, "dev": kept["dev"], "test": kept["test"]}
    assert kept["train"] > 12
    labelled = queries.filter(pl.col("split") != "unlabelled")
    assert sorted(qrels["query_id"]) == sorted(labelled["query_id"])
    assert pl.concat(source.passages()).equals(pl.concat(every.passages()))


def test_more_labels_keep_those_of_fewer() -> None:
    fewer, more = (
        set(AwsApiDocsSource(few(number, 3)).qrels().filter(pl.col("split") == "train")["query_id"])
        for number in (5, 8)
    )
    assert fewer < more


def test_queries_without_labels_need_a_number_of_labels() -> None:
    with pytest.raises(ValueError, match="without_labels needs labelled"):
        AwsApiDocs(source="aws-api-docs", without_labels=3)
