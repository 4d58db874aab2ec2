"""What the stage `audit` measured: indexes beside the exact vectors that they are built of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, read_json, write_json
from distilrank.errors import MissingInput


@dataclass(frozen=True)
class Audited:
    """One way to search a model's vectors or, if `task` is re-ranking, to re-rank from them.

    `recall` is, by depth, the share of the best passages by exact vectors that are among its own best. `effectiveness`
    has the means of measures. `milliseconds` are percentiles of single searches for `top_k` passages, or of re-ranking
    one query's candidates, without encoding the query; `queries_per_second` is the rate of many at once.
    `build_seconds` is None if it was built elsewhere.
    """

    model: str
    entry: str
    kind: str
    task: str
    recall: Mapping[str, float]
    effectiveness: Mapping[str, float]
    queries_per_second: float
    milliseconds: Mapping[str, float]
    bytes_per_passage: float
    build_seconds: float | None


@dataclass(frozen=True)
class IndexAudit:
    """The audit: `indexes` by their names, `exact` vectors by models' names. `measured` has the indexes' digests."""

    machine: str
    top_k: int
    queries: int
    passages: int
    measured: Mapping[str, str]
    exact: Mapping[str, Audited]
    indexes: Mapping[str, Audited]

    @classmethod
    def read(cls) -> Self:
        """Reads the audit. Raises MissingInput."""
        told = read_json(built(layout.AUDIT))
        try:
            exact, indexes = (_audited(told.pop(of)) for of in ("exact", "indexes"))
            return cls(**told, exact=exact, indexes=indexes)
        except (KeyError, TypeError) as error:
            raise MissingInput(
                layout.AUDIT, got="an audit of another form", expected="an audit of indexes", remedy="run `dvc repro`"
            ) from error

    def write(self) -> None:
        write_json(layout.AUDIT, asdict(self))


def _audited(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Audited]:
    return {name: Audited(**one) for name, one in told.items()}
