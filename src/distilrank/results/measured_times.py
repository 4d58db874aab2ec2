"""The times that the stage `latency` wrote, by kind of task, by ranker, and by how it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, read_json
from distilrank.config.derived import built_alike
from distilrank.config.params import Params
from distilrank.errors import MissingInput
from distilrank.evaluation.latency import BEFOREHAND, CONCURRENT, SINGLE, WHOLE, Times, uneven_times
from distilrank.evaluation.tasks import RERANK, RETRIEVE, evaluation_of, kind_of


@dataclass(frozen=True)
class Deployed:
    """The times of a search from text to ids, by depth, number of threads and part (p50, p95, p99).

    `depth` is the one at which its effectiveness is measured.
    """

    depth: int
    milliseconds: Mapping[str, Mapping[str, Mapping[str, Times]]]

    def with_all_threads(self, depth: int) -> Mapping[str, Times]:
        by_threads = self.milliseconds[str(depth)]
        return by_threads[max(by_threads, key=int)]

    @property
    def median(self) -> float:
        """The median end to end, with all threads, at the depth where its effectiveness is measured."""
        return self.with_all_threads(self.depth)[WHOLE]["p50"]


@dataclass(frozen=True)
class MeasuredTimes:
    """Milliseconds of re-ranking `depth` passages and of finding `top_k`, for one client and for `clients` at once.

    `measured` has the digests of the models and indexes that were timed. `bytes_per_passage` is, by ranker, the size of
    all that can be computed of a passage before a query. `bytes_by_numbers` is the same for rankers that store a vector
    per token, by the type of the stored numbers. `deployed` has the searches that may answer people.
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
        """Reads the times. Raises MissingInput."""
        told = read_json(built(layout.LATENCY))
        try:
            deployed = {name: Deployed(**one) for name, one in told.pop("deployed", {}).items()}
            return cls(**told, deployed=deployed)
        except TypeError as error:
            raise MissingInput(
                layout.LATENCY, got="times of another form", expected="times of requests", remedy="run `dvc repro`"
            ) from error

    def medians(self, kind: str, how: str) -> dict[str, float]:
        """The medians of re-ranking or searching, by ranker. Given candidates have none: their time is unknown."""
        return {ranker: times[how]["median"] for ranker, times in self.milliseconds[kind].items() if how in times}

    def served(self, params: Params, task: str) -> dict[str, float]:
        """The medians of one client, by ranker. Those of systems are from text to ids, with all threads.

        Empty on an entry of `evaluations`, which is not timed.
        """
        if evaluation_of(task, params.evaluations) != layout.OWN:
            return {}
        kind = kind_of(task)
        systems = params.systems if kind == RETRIEVE else ()
        return self.medians(kind, SINGLE) | {
            name: self.deployed[name].median for name in systems if name in self.deployed
        }

    def by_title(self) -> dict[str, dict[str, dict[str, float]]]:
        """The medians as the columns of a table: by what was asked for and how, then by ranker."""
        kinds = {f"re-rank {self.depth}": RERANK, f"find {self.top_k}": RETRIEVE}
        ways = {SINGLE: "one at a time", CONCURRENT: f"{self.clients} at once", BEFOREHAND: BEFOREHAND}
        every = {
            title: {way: medians for how, way in ways.items() if (medians := self.medians(kind, how))}
            for title, kind in kinds.items()
        }
        return {title: columns for title, columns in every.items() if columns}

    def uneven(self, params: Params, task: str = RERANK) -> list[dict[str, float]]:
        """The times by model of models that are built alike but differ too much to be true."""
        return uneven_times(self.served(params, task), built_alike(params))
