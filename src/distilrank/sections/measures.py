"""Names of measures, as ir-measures has them, and what trec_eval is asked for by each.

ir-measures is imported when a name is read, and not before.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from distilrank.errors import CollectionError

if TYPE_CHECKING:
    import ir_measures

EXAMPLES = "nDCG@10, nDCG(dcg='exp-log2')@10, RR@10, AP(rel=2)@1000, P@10, R@100, Success@5 or Judged@10"
# The first of `evaluation.measures`.
PRIMARY = "primary"
# Of which trec_eval can hold the exponential gain.
_HIGHEST_GRADE = 20
# What all share who retrieve the same passages, in whatever order, as long as the cut-off cuts none off.
_OF_SETS = ("R", "P", "Success", "Judged", "SetP", "SetR", "SetF", "SetAP")


def _checked(name: str) -> str:
    try:
        return standard(name)
    except ValueError as error:
        raise PydanticCustomError(
            "measure", "a measure by its name in ir-measures, such as {examples} ({why})", _told(error)
        ) from error


def _primary_or_checked(name: str) -> str:
    return name if name == PRIMARY else _checked(name)


# Names of one measure, such as RR@10 and MRR@10, are brought to one.
Measure = Annotated[str, Field(json_schema_extra={"words": "measure"}), AfterValidator(_checked)]
PrimaryOrMeasure = Annotated[
    str, Field(json_schema_extra={"words": "primary or measure"}), AfterValidator(_primary_or_checked)
]
DEFAULT_MEASURES: list[Measure] = ["nDCG@10", "RR@10", "AP@1000", "R@1000"]


def measure_named(name: str) -> "ir_measures.Measure":
    """Raises ValueError, which says why, for what ir-measures does not read, or cannot be computed here."""
    import ir_measures

    # Others need Perl, or packages that are not installed.
    known = (ir_measures.pytrec_eval, ir_measures.judged, ir_measures.accuracy, ir_measures.compat)
    try:
        measure = ir_measures.parse_measure(name)
        is_computed = any(provider.supports(as_computed(measure, 1, [])) for provider in known)
    except (ValueError, NameError, AssertionError, TypeError, AttributeError) as error:
        raise ValueError("ir-measures does not know it") from error
    if not is_computed:
        raise ValueError("trec_eval does not compute it, and other programs are not installed")
    if any(measure.params.get(limit, 1) < 1 for limit in ("cutoff", "rel")):
        raise ValueError("a cut-off or rel is below 1")
    if not isinstance(measure.aggregator(), ir_measures.MeanAgg):
        raise ValueError("it is a count, not a mean over queries")
    return measure


def standard(name: str) -> str:
    """The one name of a measure. Raises ValueError as `measure_named` does."""
    measure = measure_named(name)
    known = measure.SUPPORTED_PARAMS
    # rel=1 tells that the params' minimum relevance does not count here.
    told = {key: value for key, value in measure.params.items() if key == "rel" or value != known[key].default}
    cutoff = told.pop(measure.AT_PARAM, None)
    params = ",".join(f"{key}={_as_python(value)}" for key, value in sorted(told.items()))
    return f"{measure.NAME}{f'({params})' if params else ''}{f'@{cutoff}' if cutoff is not None else ''}"


def as_computed(measure: "ir_measures.Measure", minimum_relevance: int, grades: Iterable[int]) -> "ir_measures.Measure":
    """What has the same value, but is computed here: with a relevance, and in trec_eval's words.

    An exponential gain is a gain for each of the `grades`. RR has no cut-off: the caller makes one. Raises
    CollectionError for a grade whose exponential gain is too large.
    """
    params = dict(measure.params)
    if "rel" in measure.SUPPORTED_PARAMS:
        params.setdefault("rel", minimum_relevance)
    if measure.NAME == "RR":
        params.pop("cutoff", None)
    if params.get("dcg") == "exp-log2" and "gains" not in params:
        del params["dcg"]
        params["gains"] = {grade: _exponential(grade) for grade in grades if grade > 0}
    return type(measure)(**params)


def _exponential(grade: int) -> int:
    """trec_eval keeps a count for each gain up to the highest."""
    if grade > _HIGHEST_GRADE:
        raise CollectionError(
            "qrels",
            got=f"the grade {grade}",
            expected=f"at most {_HIGHEST_GRADE} for an exponential gain",
            remedy="name a measure without dcg='exp-log2'",
        )
    return (1 << grade) - 1


def tells_apart(name: str, retrieved: int) -> bool:
    """Whether rankers of the same `retrieved` passages can differ in a measure, by their order alone."""
    measure = measure_named(name)
    return measure.NAME not in _OF_SETS or cutoff_of(name, retrieved) < retrieved


def cutoff_of(name: str, otherwise: int) -> int:
    return int(measure_named(name).params.get("cutoff", otherwise))


def _as_python(value: object) -> str:
    return f"{{{','.join(f'{key}:{one}' for key, one in value.items())}}}" if isinstance(value, dict) else repr(value)


def _told(error: ValueError) -> dict[str, str]:
    return {"examples": EXAMPLES, "why": str(error)}
