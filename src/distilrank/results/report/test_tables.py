"""The tests of each taught student, table by table."""

from dataclasses import dataclass
from itertools import groupby

from distilrank.config.derived import first_stage_of
from distilrank.evaluation.tasks import title_of
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.statistics import Compared


@dataclass(frozen=True)
class TestTable:
    """The comparisons in one measure at one task. Their p-values are corrected together (Holm)."""

    title: str
    measure: str
    queries: int
    rows: list[Compared]


def test_tables(inputs: ReportInputs) -> list[TestTable]:
    tables = [(key, list(rows)) for key, rows in groupby(inputs.tests, lambda one: (one.task, one.measure))]
    titles = {task: title_of(task, first_stage_of(inputs.params, task)) for (task, _), _ in tables}
    return [TestTable(titles[task], measure, rows[0].queries, rows) for (task, measure), rows in tables]
