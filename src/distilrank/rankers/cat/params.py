"""BERT_CAT's entry in params.yaml."""

from typing import Literal

from distilrank.rankers.params import RankerParams


class CatParams(RankerParams):
    """BERT_CAT: `pooling` is what the linear head reads, [CLS] or the backbone's pooler."""

    architecture: Literal["cat"] = "cat"
    pooling: Literal["cls", "pooler"] = "cls"

    @property
    def reads_pooler(self) -> bool:
        return self.pooling == "pooler"
