"""What the check finds: outcomes, rates, and the gain of each choice of computation."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["passed", "failed", "not checked"]
OURS, PEER = "DistilRank", "sentence-transformers"


@dataclass(frozen=True)
class Outcome:
    """One check. `detail` says by how much it passed, what went wrong, or why it was not made."""

    group: str
    name: str
    verdict: Verdict
    detail: str
    seconds: float


@dataclass(frozen=True)
class Rate:
    """How many of `unit` per second, the card's peak memory in GiB, and the share of the device's peak in
    multiplying."""

    task: str
    shape: str
    precision: str
    by: str
    per_second: float
    unit: str
    gib: float | None = None
    share_of_peak: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Choice:
    """A way to compute, its rate, that rate over the usual way's, and how far apart the scores of both are."""

    task: str
    precision: str
    way: str
    per_second: float
    unit: str
    times_usual: float
    apart: float


Finding = Outcome | Rate | Choice


@dataclass
class Findings:
    """All findings of one run, on one machine."""

    machine: dict[str, Any]
    outcomes: list[Outcome] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        lists: dict[type[Finding], list[Any]] = {Outcome: self.outcomes, Rate: self.rates, Choice: self.choices}
        lists[type(finding)].append(finding)

    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.verdict == "failed"]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
