"""The report's first lines, on the student that the dev queries chose and on all taught students.

The test queries choose nothing here. The best of several on them would look better than it is, and its p-value would be
too small.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from distilrank.config.names import distilled_name
from distilrank.evaluation.tasks import RERANK, RETRIEVE
from distilrank.results.at_a_glance import chosen_student
from distilrank.results.differences import Difference
from distilrank.results.report.gains import Gains
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.matrix_table import MatrixTable
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.results import effectiveness


@dataclass(frozen=True)
class Headline:
    """A taught student beside its teacher and its control, by the primary measure on the first test set.

    `yardstick` is the teacher. For an ensemble it is the member that the dev queries chose, and if only scores were
    imported, the first stage. A gain is None if there is no control or no index. `times_as_fast` is None if a time is
    unknown or cannot be trusted.
    """

    yardstick: ReportedRanker
    yardstick_value: float
    student: ReportedRanker
    student_value: float
    dev_value: float
    gain: Difference | None
    gain_in_search: Difference | None
    times_as_fast: float | None
    # All taught students by the primary measure of their re-ranking: gain, loss, unclear, or without a control.
    verdicts: dict[str, list[str]]


def headline(inputs: ReportInputs, gains: Mapping[str, Gains], table: MatrixTable) -> Headline:
    """The headline; `table` is the one of re-ranking the first test set."""
    taught = [ranker for ranker in inputs.rankers if ranker.role == "taught"]
    chosen = distilled_name(*chosen_student(inputs.params, inputs.histories))
    student = next(ranker for ranker in taught if ranker.name == chosen)
    yardstick = yardstick_of(inputs, student)
    search = inputs.primary.removesuffix(RERANK) + RETRIEVE
    return Headline(
        yardstick,
        effectiveness(inputs, yardstick),
        student,
        effectiveness(inputs, student),
        _on_dev(inputs, student),
        gains[inputs.primary].get((student.name, inputs.measure)),
        gains.get(search, {}).get((student.name, inputs.measure)),
        _times_as_fast(table, yardstick, student),
        _verdicts(taught, gains[inputs.primary], inputs.measure),
    )


def _on_dev(inputs: ReportInputs, ranker: ReportedRanker) -> float:
    """The result in re-ranking the dev queries, as all rankers do, of the weights that were kept."""
    return inputs.histories[ranker.name].at_best(RERANK)


def yardstick_of(inputs: ReportInputs, student: ReportedRanker) -> ReportedRanker:
    """The model that stands for a student's teacher, or the first stage if no model taught it."""
    by_name = {ranker.name: ranker for ranker in inputs.rankers}
    members = [by_name[name] for name in inputs.params.members(student.teacher)] if student.teacher else []
    if not members:
        return by_name[inputs.params.candidates.first_stage()]
    # A given teacher was not validated. If one is a member, the first member stands for the ensemble.
    validated = all(ranker.name in inputs.histories for ranker in members)
    return max(members, key=lambda ranker: _on_dev(inputs, ranker)) if validated else members[0]


def _times_as_fast(table: MatrixTable, slow: ReportedRanker, fast: ReportedRanker) -> float | None:
    """The ratio of the two times in the table, which are those of one client at a server."""
    rows = table.row_of(slow), table.row_of(fast)
    if any(row.is_uneven or row.milliseconds is None for row in rows):
        return None
    of_slow, of_fast = (row.milliseconds or 0.0 for row in rows)
    return of_slow / of_fast if of_fast else None


def _verdicts(taught: list[ReportedRanker], gains: Gains, measure: str) -> dict[str, list[str]]:
    verdicts: dict[str, list[str]] = {"gain": [], "loss": [], "unclear": [], "no control": []}
    for ranker in taught:
        gain = gains.get((ranker.name, measure))
        verdicts[gain.verdict if gain else "no control"].append(ranker.name)
    return verdicts
