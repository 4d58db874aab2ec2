"""Batches by length: every row once, none over the budget."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distilrank.data.batches import batches_by_length


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_every_row_comes_once_and_batches_stay_within_the_budget(lengths: list[int], budget: int) -> None:
    array = np.array(lengths, np.int64)
    batches = list(batches_by_length(array, budget))
    assert sorted(np.concatenate(batches).tolist() if batches else []) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or array[batch].max() * len(batch) <= budget
