"""TK (Hofstätter et al., ECAI 2020, arXiv 2002.01854), with log pooling only, as in arXiv 2010.02666."""

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker, RankerConfig, TokenBatch, check_enough, in_float32
from distilrank.rankers.matches import Match, most_similar
from distilrank.rankers.tk.glove import glove_table
from distilrank.rankers.tk.params import TkParams
from distilrank.redaction import without_secrets

# The means of the Gaussian kernels over cosines.
MEANS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5, -0.7, -0.9)
WIDTH = 0.1
# Passages count positions from here on, after those of any query of up to 500 tokens.
PASSAGE_START = 500
_MOST_HEADS = 10
_SMALLEST = 1e-10


class TkRanker(Ranker):
    """Contextualises word embeddings with small transformer layers, and pools the match matrix with kernels.

    The config's `backbone` gives the size of the embedding table: vocab_size, hidden_size.
    """

    params: TkParams

    def __init__(self, config: RankerConfig) -> None:
        super().__init__(config)
        self.params = TkParams.model_validate(config.ranker)
        table = config.backbone or {}
        width = table["hidden_size"]
        self.embeddings = nn.Embedding(table["vocab_size"], width)
        heads = max(heads for heads in range(1, _MOST_HEADS + 1) if width % heads == 0)
        layer = nn.TransformerEncoderLayer(width, heads, self.params.feed_forward, dropout=0.0, batch_first=True)
        self.context = nn.TransformerEncoder(layer, self.params.layers, enable_nested_tensor=False)
        self.mixing = nn.Parameter(torch.tensor(0.5))
        # As logarithms: in steps of 1e-2, a scale of 0.01 would pass through 0, where its kernel never again has a
        # gradient.
        self.kernel_log_scale = nn.Parameter(torch.full((len(MEANS),), 0.01).log())
        self.head = nn.Linear(len(MEANS), 1, bias=False)
        self.post_init()

    @classmethod
    def started_from(cls, source: PreTrainedModel, config: RankerConfig, tokenizer: TextTokenizer) -> Self:
        glove = TkParams.model_validate(config.ranker).glove
        if glove:
            table = torch.from_numpy(glove_table(glove, tokenizer.vocabulary()))
            config.ranker = without_secrets(config.ranker)
        else:
            check_enough("word pieces", tokenizer.vocabulary_size, source.config.vocab_size)
            table = source.get_input_embeddings().state_dict()["weight"].float()
        config.backbone = {"vocab_size": table.shape[0], "hidden_size": table.shape[1]}
        ranker = cls(config)
        # BERT's embeddings are twenty times smaller than the positions that are added to them, so they are scaled up.
        ranker.embeddings.weight.data.copy_(table / table.std())
        # A random head ranks the wrong way round in half of the cases, from which a short training does not recover.
        nn.init.zeros_(ranker.head.weight)
        return ranker

    def encode_queries(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch, 0)

    def encode_passages(self, batch: TokenBatch) -> Encoded:
        return self._encode(batch, PASSAGE_START)

    def interact(self, queries: Encoded, passages: Encoded) -> Tensor:
        with in_float32(passages):
            cosines = queries.values.float() @ passages.values.float().transpose(1, 2)
            means = torch.tensor(MEANS, device=cosines.device)
            kernels = torch.exp(-((cosines.unsqueeze(3) - means) ** 2) / (2 * WIDTH**2))
            by_query_token = (kernels * passages.mask[:, None, :, None]).sum(2)
            scaled = (by_query_token * self.kernel_log_scale.exp()).clamp(min=_SMALLEST)
            logs = torch.log(scaled) * queries.mask.unsqueeze(2)
            scores: Tensor = self.head(logs.sum(1))
            return scores.squeeze(1)

    def matches(self, query: TokenBatch, passages: TokenBatch) -> list[list[Match]]:
        encoded = self.encode_queries(query), self.encode_passages(passages)
        return most_similar(*encoded, (query, passages), begin=0)

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {
            "kernels": [self.kernel_log_scale, *self.head.parameters()],
            "embeddings": [*self.embeddings.parameters()],
        }

    def _encode(self, batch: TokenBatch, start: int) -> Encoded:
        words = self.embeddings(batch.ids)
        # Attention needs something to read, so an empty text keeps its padding unmasked.
        unread = ~batch.mask & batch.mask.any(1, keepdim=True)
        context = self.context(words + positions(words, start), src_key_padding_mask=unread)
        mixed = self.mixing * words + (1 - self.mixing) * context
        return Encoded(normalize(mixed, dim=2) * batch.mask.unsqueeze(2), batch.mask)


def positions(words: Tensor, start: int) -> Tensor:
    """Sinusoidal positions (length, width) for `words` (rows, length, width), counted from `start`: sines, then
    cosines.

    Vaswani et al., arXiv 1706.03762, section 3.5. Wavelengths are from 2 pi to 20,000 pi.
    """
    length, width = words.shape[1:]
    places = torch.arange(start, start + length, device=words.device, dtype=torch.float32)
    frequencies = torch.exp(
        torch.arange(width // 2, device=words.device) * (-math.log(10_000) / max(1, width // 2 - 1))
    )
    angles = places.unsqueeze(1) * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], 1)
    return nn.functional.pad(waves, (0, width % 2))
