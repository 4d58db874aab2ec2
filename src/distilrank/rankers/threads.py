"""The number of threads that torch uses on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_in_torch(number: int) -> Iterator[int]:
    """Sets the number of threads in the block, and gives the former number, which returns after the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
