"""ColBERT's entry in params.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from distilrank.rankers.params import ScaledParams


class ColbertParams(ScaledParams):
    """ColBERT: one vector per token. The score is the sum, over the query's tokens, of the highest product."""

    vector_per_token: ClassVar[bool] = True
    takes_maxsim: ClassVar[bool] = True
    takes_maxima: ClassVar[bool] = True
    meets_in_products: ClassVar[bool] = True

    architecture: Literal["colbert"] = "colbert"

    dimension: int = Field(ge=1, default=128)
    """The width of its vectors."""

    expand_queries: bool = False
    """Whether queries are filled up with [MASK], to which no other token attends."""

    query_masks: int = Field(ge=0, default=0)
    """How many [MASK] are appended to each query, and read. The paper's published ColBERT was trained with some."""

    skipped_tokens: list[Annotated[int, Field(ge=0)]] = Field(default=[])
    """Ids of tokens, such as those of punctuation. Query tokens are not compared with them where passages have them."""

    @property
    def reads_mask(self) -> bool:
        return self.expand_queries or self.query_masks > 0
