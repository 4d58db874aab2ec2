"""The precision of matrix products. Weights, and scores, are float32 all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from distilrank.sections.precision import Precision


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """In the block a card multiplies float32 numbers as float32, or as tf32. A processor knows no tf32."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """A block, of one thread, whose matrix products are of 16 bits if that is asked for."""
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, kind, enabled=kind is not None)
