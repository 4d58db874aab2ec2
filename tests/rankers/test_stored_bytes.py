"""What storing passages takes, as their encoding itself tells."""

import torch

from distilrank.rankers.base import Encoded


def test_padding_is_not_stored() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert Encoded(torch.ones(2, 3, 8), mask).stored_bytes() == 4 * 8 * 2
    assert Encoded(torch.ones(2, 3, 8, dtype=torch.float16), mask).stored_bytes() == 2 * 8 * 2


def test_one_vector_is_its_width_and_a_sparse_one_its_entries() -> None:
    one = torch.ones(5, 1, dtype=torch.bool)
    assert Encoded(torch.ones(5, 1, 384), one).stored_bytes() == 384 * 4
    sparse = torch.zeros(5, 1, 30522)
    sparse[:, :, :7] = 1
    assert Encoded(sparse, one).stored_bytes() == 7 * (4 + 4)


def test_token_ids_are_no_encoding() -> None:
    assert Encoded(torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.bool)).stored_bytes() == 0
