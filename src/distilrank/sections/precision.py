"""The precision of matrix products, as params name it. Served rankers know it: nothing else is imported with it."""

from typing import Literal

# tf32 is float32 in memory, multiplied with ten bits of mantissa, on cards that can.
Precision = Literal["float32", "tf32", "bfloat16", "float16"]
