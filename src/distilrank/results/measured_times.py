"""The times that the stage `latency` wrote: by kind of task, ranker, and how it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, read_json
from distilrank.config.derived import built_alike
from distilrank.config.params import Params
from distilrank.errors import MissingInput
from distilrank.evaluation.latency import BEFOREHAND, CONCURRENT, SINGLE, Times, uneven_times
from distilrank.evaluation.tasks import RERANK, RETRIEVE, evaluation_of, kind_of


@dataclass(frozen=True)
class Deployed:
    """A search from text to ids: how deep it searches or re-ranks where it is measured, and its times by depth, number
    of threads and part (p50, p95, p99)."""

    depth: int
    milliseconds: Mapping[str, Mapping[str, Mapping[str, Times]]]

    def with_all_threads(self, depth: int) -> Mapping[str, Times]:
        by_threads = self.milliseconds[str(depth)]
        return by_threads[max(by_threads, key=int)]


@dataclass(frozen=True)
class MeasuredTimes:
    """Milliseconds, of re-ranking `depth` passages and of finding `top_k`, for one client and for `clients` at once.

    `measured` are the digests of the models and indexes that were timed; `bytes_per_passage` is by ranker what storing
    all that it computes of a passage before a query takes. Of rankers that store a vector per token, `bytes_by_numbers`
    is the same by what these are stored as. `deployed` is what may answer people.
    """

    machine: str
    depth: int
    top_k: int
    queries: int
    clients: int
    measured: Mapping[str, str]
    milliseconds: Mapping[str, Mapping[str, Mapping[str, Times]]]
    bytes_per_passage: Mapping[str, float]
    bytes_by_numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    deployed: Mapping[str, Deployed] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Self:
        """Raises MissingInput."""
        told = read_json(built(layout.LATENCY))
        try:
            deployed = {name: Deployed(**one) for name, one in told.pop("deployed", {}).items()}
            return cls(**told, deployed=deployed)
        except TypeError as error:
            raise MissingInput(
                layout.LATENCY, got="times of another form", expected="times of requests", remedy="run `dvc repro`"
            ) from error

    def medians(self, kind: str, how: str) -> dict[str, float]:
        """By ranker, of re-ranking or of searching; none for candidates that were given, since nobody knows what they
        took.
        """
        return {ranker: times[how]["median"] for ranker, times in self.milliseconds[kind].items() if how in times}

    def served(self, params: Params, task: str) -> dict[str, float]:
        """The medians of one client, by ranker; none on a collection that models do not learn from: nobody timed it."""
        own = evaluation_of(task, params.evaluations) == layout.OWN
        return self.medians(kind_of(task), SINGLE) if own else {}

    def by_title(self) -> dict[str, dict[str, dict[str, float]]]:
        """Medians by what was asked for, how, and ranker: the columns of a table."""
        kinds = {f"re-rank {self.depth}": RERANK, f"find {self.top_k}": RETRIEVE}
        ways = {SINGLE: "one at a time", CONCURRENT: f"{self.clients} at once", BEFOREHAND: BEFOREHAND}
        every = {
            title: {way: medians for how, way in ways.items() if (medians := self.medians(kind, how))}
            for title, kind in kinds.items()
        }
        return {title: columns for title, columns in every.items() if columns}

    def uneven(self, params: Params, task: str = RERANK) -> list[dict[str, float]]:
        """The times by model of models built alike that differ too much to be true."""
        return uneven_times(self.served(params, task), built_alike(params))
