"""BERT_CAT (Nogueira and Cho, arXiv 1901.04085): query and passage joined, a linear head on [CLS] or the pooler."""

from torch import Tensor, nn

from distilrank.errors import BackboneError
from distilrank.params import CatRanker as CatParams
from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, in_float32
from distilrank.rankers.transformer import TransformerRanker


class CatRanker(TransformerRanker):
    """Nothing can be computed before query and passage meet: encoding passes the token ids through."""

    def __init__(self, config: RankerConfig) -> None:
        params = CatParams.model_validate(config.ranker)
        super().__init__(config, pooler=params.pooling == "pooler")
        self.params = params
        if params.pooling == "pooler" and getattr(self.backbone, "pooler", None) is None:
            raise BackboneError(
                f"backbone {self.backbone.config.model_type}",
                got="no pooler",
                expected="a pooler for the head to read",
                remedy="set pooling: cls in params.yaml",
            )
        self.head = nn.Linear(self.width, 1)
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        pairs = (TokenBatch(queries.values, queries.mask), TokenBatch(passages.values, passages.mask))
        read = self.read(*self.framed(*pairs))
        pooled = read.pooler_output if self.params.pooling == "pooler" else read.last_hidden_state[:, 0]
        with in_float32(passages):
            scores: Tensor = self.head(pooled.float())
        return scores.squeeze(1)
