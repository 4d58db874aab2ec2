"""How much each of several rankers counts where their scores are added up: given, or tuned on dev queries."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from distilrank.sections.base import RankerName


def _word_or_numbers(weights: object) -> str:
    return "word" if isinstance(weights, str) else "numbers"


Weights = Annotated[
    Annotated[Literal["tuned"], Tag("word")]
    | Annotated[dict[RankerName, Annotated[float, Field(ge=0)]], Tag("numbers")],
    Discriminator(_word_or_numbers),
]
