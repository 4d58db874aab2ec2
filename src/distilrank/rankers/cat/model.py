"""BERT_CAT (Nogueira and Cho, arXiv 1901.04085): query and passage joined, a linear head on [CLS] or the pooler."""

from torch import Tensor, nn

from distilrank.errors import BackboneError
from distilrank.rankers.base import Encoded, RankerConfig, TokenBatch, in_float32
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.first_token import FirstTokenReader
from distilrank.rankers.transformer import TransformerRanker


class CatRanker(TransformerRanker):
    """Scores pairs. Encoding only passes on the token ids, since nothing can be computed before query and passage
    meet."""

    params: CatParams

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
        # FirstTokenReader is no nn.Module, so the backbone's weights are not registered twice.
        self._first_token = (FirstTokenReader(self.backbone),) if FirstTokenReader.reads(self.backbone) else ()
        self.post_init()

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return Encoded(batch.ids, batch.mask)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        pairs = (TokenBatch(queries.values, queries.mask), TokenBatch(passages.values, passages.mask))
        pooled = self._pooled(*self.framed(*pairs))
        with in_float32(passages):
            scores: Tensor = self.head(pooled.float())
        return scores.squeeze(1)

    def _pooled(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """What the head reads (rows, width)."""
        pooler = self.params.pooling == "pooler"
        # Not in training, where dropout draws for every token.
        if self._first_token and not self.training:
            reader = self._first_token[0]
            first = reader(self.states(reader.lower, ids, mask, segments), mask)
            pooled: Tensor = self.backbone.get_submodule("pooler")(first) if pooler else first[:, 0]
        else:
            read = self.read(ids, mask, segments)
            pooled = read.pooler_output if pooler else read.last_hidden_state[:, 0]
        return pooled
