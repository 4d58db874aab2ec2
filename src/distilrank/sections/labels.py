"""The section on labels, and the scale that they are brought to."""

from typing import Literal

from pydantic import Field

from distilrank.sections.base import Section

# z and min-max are one linear map per teacher, so that its margins keep their proportions; rank is by query.
ScaleRule = Literal["none", "z", "min-max", "rank"]


class Labels(Section):
    """How a teacher's scores become labels, and when they are refused."""

    scale: ScaleRule = "none"
    """The scale of the scores. none: as they are. z: mean 0 and standard deviation 1. min-max: from 0 to 1. rank:
    the share of the query's other scored passages that are below.
    """

    most_negative_margins: float = Field(ge=0, le=1, default=0.4)
    """The largest share of triples that a teacher may rank the wrong way round."""
