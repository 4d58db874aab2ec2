"""Mining triples: negatives in turn from each source, each passage once, and none that the filter's teacher refuses."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pytest

from distilrank.data.mining import mine_triples
from distilrank.errors import CollectionError
from distilrank.sections.mining import MinedTriples

QRELS = pl.DataFrame({"query_id": ["q", "q", "r"], "passage_id": ["p1", "p2", "p3"], "relevance": [1, 2, 1]})


def run(numbers: Iterable[int]) -> pl.DataFrame:
    passages = [f"p{number}" for number in numbers]
    return pl.DataFrame({"query_id": ["q"] * len(passages) + ["r"] * len(passages), "passage_id": passages * 2})


# Each finds five that the other does not.
FOUND = {"bm25": run(range(4, 9)), "dense": run(range(10, 15))}
# Both find positives, and p9.
OVERLAPPING = {"bm25": run(range(1, 10)), "dense": run([3, *range(9, 15)])}


def scores_of(triples: pl.DataFrame) -> pl.DataFrame:
    """A teacher's: each positive scores 3; of the negatives, p4 scores 4, p10 scores 2.6, all others 1."""
    passages = sorted({*triples["positive_id"], *triples["negative_ids"].explode()})
    score = {"p1": 3.0, "p2": 3.0, "p3": 3.0, "p4": 4.0, "p10": 2.6}
    pairs = pl.DataFrame({"query_id": ["q", "r"]}).join(pl.DataFrame({"passage_id": passages}), how="cross")
    return pairs.with_columns(score=pl.col("passage_id").replace_strict(score, default=1.0).cast(pl.Float32))


def mined(
    count: int, negatives: int = 2, found: Mapping[str, pl.DataFrame] = FOUND, **changes: Any
) -> tuple[pl.DataFrame, dict[str, int]]:
    values = {"from": ["bm25", "dense"], "ranks": [1, 9], "negatives": negatives, "count": count, "seed": 3} | changes
    return mine_triples(QRELS, found, MinedTriples.model_validate(values), "mined", scores_of)


def pairs(triples: pl.DataFrame) -> list[tuple[str, str, str]]:
    return list(triples.explode("negative_ids").iter_rows())


def source_of(passage: str) -> str:
    return "bm25" if int(passage[1:]) < 9 else "dense"


def test_sources_take_turns() -> None:
    """Each of three positives meets five groups of its query's negatives."""
    triples, counts = mined(15)
    for negatives in triples["negative_ids"]:
        assert [source_of(passage) for passage in negatives] == ["bm25", "dense"]
    assert len(set(pairs(triples))) == 30
    assert counts == {
        "found by bm25": 10, "found by dense": 10, "known positives among them": 0, "queries left without enough": 0,
    }  # fmt: skip
    # Three of five: the third negative is of whoever's turn it is.
    of_three = [sorted(map(source_of, negatives)) for negatives in mined(9, negatives=3)[0]["negative_ids"]]
    assert sorted(of_three) == [["bm25", "bm25", "dense"]] * 6 + [["bm25", "dense", "dense"]] * 3


def test_a_passage_that_several_found_counts_once_and_a_positive_never() -> None:
    triples, counts = mined(9, negatives=4, found=OVERLAPPING)
    relevant = set(QRELS.select("query_id", "passage_id").iter_rows())
    found = {(query, negative) for query, _, negative in pairs(triples)}
    assert not relevant & found
    assert ("q", "p3") in found
    assert len(set(pairs(triples))) == len(pairs(triples)) == 36
    # p1 and p2 of q, p3 of r.
    assert counts["known positives among them"] == 3


def test_a_negative_that_the_teacher_takes_for_relevant_goes() -> None:
    every, _ = mined(15)
    assert {"p4", "p10"} <= {negative for *_, negative in pairs(every)}
    filtered, counts = mined(6, filter={"teacher": "T1", "margin": 0.5})
    assert not {"p4", "p10"} & {negative for *_, negative in pairs(filtered)}
    assert filtered["negative_ids"].list.len().to_list() == [2] * 6
    lenient, fewer = mined(6, filter={"teacher": "T1", "margin": 0.3})
    assert "p4" not in {negative for *_, negative in pairs(lenient)}
    assert counts["negatives filtered"] > fewer["negatives filtered"] > 0


def test_a_draw_that_keeps_too_few_gives_way_to_the_next() -> None:
    """Of ten negatives a positive's draws are four, four and two, of which the filter may leave too few."""
    gave_way = 0
    for seed in range(6):
        triples, counts = mined(6, seed=seed, filter={"teacher": "T1", "margin": 2.0})
        assert triples["negative_ids"].list.len().to_list() == [2] * 6
        gave_way += counts["draws left without enough"]
    assert gave_way > 0
    with pytest.raises(CollectionError, match="widen its ranks, or lower its filter's margin") as error:
        mined(1, filter={"teacher": "T1", "margin": 2.5})
    none = (
        "triples.mined: got no training query with both a relevant passage and 2 negatives, expected at least one; lo"
    )
    assert none in str(error.value)


def test_too_few_are_refused_by_how_many_there_are() -> None:
    with pytest.raises(CollectionError, match="got 99, expected at most"):
        mined(99)


def test_the_seed_alone_decides_and_more_triples_contain_the_fewer() -> None:
    for filtered in (None, {"teacher": "T1", "margin": 0.5}):
        some, _ = mined(3, filter=filtered)
        more, _ = mined(6, filter=filtered)
        assert some.equals(mined(3, filter=filtered)[0])
        assert more.head(3).equals(some)
    assert not mined(6)[0].equals(mined(6, seed=4)[0])
