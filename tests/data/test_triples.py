"""Sampling triples: each pair of positive and negative at most once, as many negatives a triple as asked."""

import polars as pl
import pytest

from distilrank.data.triples import pairs_of, sample_triples
from distilrank.errors import CollectionError
from distilrank.sections.data import Draw

QRELS = pl.DataFrame({"query_id": ["q", "q", "r"], "passage_id": ["p1", "p2", "p3"], "relevance": [1, 2, 1]})
CANDIDATES = pl.DataFrame(
    {
        "query_id": ["q"] * 9 + ["r"] * 9,
        "passage_id": [f"p{number}" for number in range(1, 10)] * 2,
        "rank": [*range(1, 10)] * 2,
    }
)


def triples(count: int, negatives: int, seed: int = 0) -> pl.DataFrame:
    return sample_triples(
        QRELS, CANDIDATES, Draw(negatives=negatives, negatives_from=8, seed=seed), count, "triples.bm25"
    )


def pairs(sampled: pl.DataFrame) -> list[tuple[str, str, str]]:
    return list(sampled.explode("negative_ids").iter_rows())


@pytest.mark.parametrize(("negatives", "most"), [(1, 6 + 6 + 7), (2, 3 + 3 + 3), (3, 2 + 2 + 2)])
def test_every_triple_there_is_and_none_twice(negatives: int, most: int) -> None:
    sampled = triples(most, negatives)
    assert set(sampled["negative_ids"].list.len()) == {negatives}
    assert len(set(pairs(sampled))) == most * negatives
    with pytest.raises(CollectionError, match=f"expected at most {most}, the number of all triples"):
        triples(most + 1, negatives)


def test_where_only_relevant_passages_were_found_no_triple_is_drawn() -> None:
    relevant = CANDIDATES.join(QRELS, on=["query_id", "passage_id"], how="semi")
    for negatives, expected in {
        1: "a negative, expected at least one; raise its negatives_from",
        2: "2 negatives, expected at least one; lower its `negatives`, or raise its negatives_from",
    }.items():
        with pytest.raises(CollectionError) as refused:
            sample_triples(QRELS, relevant, Draw(negatives=negatives), 5, "triples.bm25")
        assert str(refused.value).startswith(
            f"params.yaml: triples.bm25: got no training query with both a relevant passage and {expected}"
        )


def test_negatives_are_not_relevant_and_of_the_ranks_asked_for() -> None:
    relevant = set(QRELS.select("query_id", "passage_id").iter_rows())
    for query, positive, negative in pairs(triples(6, 3)):
        assert (query, positive) in relevant
        assert (query, negative) not in relevant
        assert negative != "p9"


def test_the_seed_alone_decides() -> None:
    assert triples(5, 2, seed=3).equals(triples(5, 2, seed=3))
    assert not triples(5, 2, seed=3).equals(triples(5, 2, seed=4))


def test_the_pairs_of_triples_are_each_there_once() -> None:
    sampled = triples(9, 2)
    expected = {(query, passage) for query, positive, negative in pairs(sampled) for passage in (positive, negative)}
    assert list(pairs_of(sampled.lazy()).iter_rows()) == sorted(expected)
