"""PreTTR's entry in params.yaml."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from distilrank.rankers.params import RankerParams


class PrettrParams(RankerParams):
    """PreTTR: the lower layers read query and passage apart, the upper ones joined."""

    vector_per_token: ClassVar[bool] = True
    stored_in_half: ClassVar[bool] = True
    reads_pairs: ClassVar[bool] = True

    architecture: Literal["prettr"] = "prettr"

    layers: int = Field(ge=2)

    join_layer: int = Field(ge=1)
    """The first layer that reads query and passage joined. It is below `layers`."""

    query_masks: int = Field(ge=0, default=0)
    """How many [MASK] are appended to each query. The paper's published PreTTR was trained with some."""

    @model_validator(mode="after")
    def joins_below_the_top(self) -> Self:
        if self.join_layer >= self.layers:
            raise ValueError(f"join_layer must be below layers, {self.layers}; it is {self.join_layer}")
        return self

    @property
    def reads_mask(self) -> bool:
        return self.query_masks > 0
