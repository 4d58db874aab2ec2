"""How many threads torch computes with on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_in_torch(number: int) -> Iterator[int]:
    """So many within the block; gives the number that it had, and has again afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
