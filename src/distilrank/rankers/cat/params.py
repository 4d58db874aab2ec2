"""BERT_CAT's entry in params.yaml."""

from typing import ClassVar, Literal

from distilrank.rankers.params import RankerParams


class CatParams(RankerParams):
    """BERT_CAT: one transformer over query and passage, joined."""

    reads_pairs: ClassVar[bool] = True

    architecture: Literal["cat"] = "cat"
    pooling: Literal["cls", "pooler"] = "cls"
    """What the linear head reads: [CLS], or the backbone's pooler."""

    @property
    def reads_pooler(self) -> bool:
        return self.pooling == "pooler"
