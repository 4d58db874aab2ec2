"""The precision of matrix products. Weights and scores are always float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from distilrank.sections.precision import Precision


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """A block in which a card multiplies float32 numbers as float32 or as tf32. A CPU has no tf32."""
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
    """A block, in one thread, in which matrix products are in 16 bits if the precision asks for it."""
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, kind, enabled=kind is not None)
