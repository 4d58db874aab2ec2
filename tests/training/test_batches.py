"""What a batch of triples holds, and which triples make none."""

import numpy as np
import polars as pl
import pytest

from distilrank.data.tokens import TokenStore
from distilrank.errors import MissingInput, ScoreError
from distilrank.training.batches import TripleDataset


def test_a_batch_holds_each_positive_before_its_negatives(triples: pl.DataFrame, tokens: TokenStore) -> None:
    scores = np.arange(18, dtype=np.float32).reshape(6, 3)
    batch = TripleDataset(tokens.triple_rows(triples), tokens.texts, scores).collate([4, 1])
    assert batch["query_rows"].tolist() == [3, 1]
    assert batch["passage_rows"].tolist() == [[6, 4, 2], [0, 1, 5]]
    for side, store, rows in (("query", tokens.queries, [3, 1]), ("passage", tokens.passages, [6, 4, 2, 0, 1, 5])):
        ids, mask = batch[f"{side}_ids"], batch[f"{side}_mask"]
        assert ids.shape == mask.shape
        assert [ids[at, mask[at]].tolist() for at in range(len(rows))] == [store[row].tolist() for row in rows]
        assert (ids[~mask] == tokens.special_tokens.pad).all()
    assert batch["teacher"].tolist() == [[12, 13, 14], [3, 4, 5]]


def test_without_a_teacher_a_batch_has_no_scores(triples: pl.DataFrame, tokens: TokenStore) -> None:
    assert "teacher" not in TripleDataset(tokens.triple_rows(triples), tokens.texts, None).collate([0])


@pytest.mark.parametrize(
    ("negatives", "got"),
    [([["p1"], ["p2", "p3"]], "rows of 1 and 2 negatives"), ([[], []], "rows of 0 negatives")],
)
def test_rows_that_differ_in_negatives_are_refused(negatives: list[list[str]], got: str, tokens: TokenStore) -> None:
    columns = {"query_id": ["q0", "q1"], "positive_id": ["p0", "p0"], "negative_ids": negatives}
    triples = pl.DataFrame(columns, schema_overrides={"negative_ids": pl.List(pl.String)})
    with pytest.raises(MissingInput, match=f"got {got}, expected the same number in each row, at least 1"):
        tokens.triple_rows(triples)


def test_scores_of_another_shape_are_refused(triples: pl.DataFrame, tokens: TokenStore) -> None:
    with pytest.raises(ScoreError, match=r"got shape \(6, 2\), expected .* \(6, 3\)"):
        TripleDataset(tokens.triple_rows(triples), tokens.texts, np.zeros((6, 2), np.float32))
