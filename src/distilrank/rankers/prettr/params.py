"""PreTTR's entry in params.yaml."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from distilrank.rankers.params import RankerParams


class PrettrParams(RankerParams):
    """PreTTR: the layers below `join_layer` read query and passage apart, those from it on read them joined.

    `query_masks` is how many [MASK] stand behind each query, as the paper's published PreTTR was trained.
    """

    stored_in_half: ClassVar[bool] = True

    architecture: Literal["prettr"] = "prettr"
    layers: int = Field(ge=2)
    join_layer: int = Field(ge=1)
    query_masks: int = Field(ge=0, default=0)

    @model_validator(mode="after")
    def joins_below_the_top(self) -> Self:
        if self.join_layer >= self.layers:
            raise ValueError(f"join_layer must be below layers, {self.layers}; it is {self.join_layer}")
        return self
