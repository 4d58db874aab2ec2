"""What every group of checks is given: the device, sizes to suit it, a place to write, and somebody to tell."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from distilrank.gpu_check.findings import Finding, Outcome, Verdict
from distilrank.gpu_check.shapes import BERT_BASE, MINILM, SMALL, TINY, Shape
from distilrank.sections.precision import Precision


class NotChecked(Exception):
    """Something that a check needs is not here: says what."""


class Differs(Exception):
    """A check did not find what it should: says what it found."""


@dataclass(frozen=True)
class Bench:
    """`tell` takes each finding as it comes; from `deadline` (of time.monotonic) on, no check begins."""

    device_type: str
    scratch: Path
    deadline: float
    tell: Callable[[Finding], None] = field(repr=False)

    @property
    def device(self) -> torch.device:
        return torch.device(self.device_type)

    @property
    def on_card(self) -> bool:
        return self.device_type == "cuda"

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that differ on this device."""
        return ("float32", "tf32", "bfloat16") if self.on_card else ("float32", "bfloat16")

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Whose speed is measured."""
        return (MINILM, BERT_BASE) if self.on_card else (TINY,)

    @property
    def trained_shape(self) -> Shape:
        return SMALL if self.on_card else TINY

    @property
    def seconds_per_rate(self) -> float:
        return 1.0 if self.on_card else 0.05

    def check(self, group: str, name: str, made: Callable[[], str]) -> None:
        """Makes one check, which returns the detail of its outcome, and tells the outcome. Raises nothing."""
        began = time.monotonic()
        verdict: Verdict = "failed"
        try:
            if began > self.deadline:
                raise Differs("no time was left for it")
            verdict, detail = "passed", made()
        except NotChecked as reason:
            verdict, detail = "not checked", str(reason)
        except Differs as error:
            detail = str(error)
        except Exception as error:  # whatever it is, the other checks are made
            traceback.print_exc()
            detail = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        self.tell(Outcome(group, name, verdict, detail, round(time.monotonic() - began, 2)))
