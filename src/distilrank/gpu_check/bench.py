"""What every group of checks receives: the device, suitable sizes, a folder to write to, and a place to report to."""

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
    """A check needs something that is not here. The message says what."""


class Differs(Exception):
    """A check found something wrong. The message says what it found."""


@dataclass(frozen=True)
class Bench:
    """`tell` receives each finding as it comes. After `deadline` (in the time of time.monotonic), no check begins."""

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
        """The precisions that differ on this device."""
        return ("float32", "tf32", "bfloat16") if self.on_card else ("float32", "bfloat16")

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes whose speed is measured."""
        return (MINILM, BERT_BASE) if self.on_card else (TINY,)

    @property
    def trained_shape(self) -> Shape:
        return SMALL if self.on_card else TINY

    @property
    def seconds_per_rate(self) -> float:
        return 1.0 if self.on_card else 0.05

    def check(self, group: str, name: str, made: Callable[[], str]) -> None:
        """Makes one check, which returns the detail of its outcome, and reports the outcome. Raises nothing."""
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
        except Exception as error:  # whatever it is, the other checks must be made
            traceback.print_exc()
            detail = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        self.tell(Outcome(group, name, verdict, detail, round(time.monotonic() - began, 2)))
