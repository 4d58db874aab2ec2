"""What the tests of rankers share: every architecture's params, small random backbones, random tokens."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers import base
from distilrank.rankers.base import TokenBatch
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.rankers.params import RankerParams
from distilrank.rankers.prettr.params import PrettrParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.sections.data import Tokens

# In float16 two sums of the same numbers may fall on neighbouring values.
EXACT, STORED_IN_HALF = 1e-5, 2e-4
LENGTHS = Tokens(query_length=12, passage_length=24)
# The first example of every architecture in the table, and all of them, for a backbone of three layers.
EXAMPLES = {name: dict(one.examples(layers=3, width=16)) for name, one in ARCHITECTURES.items()}
PARAMS: dict[str, RankerParams] = {name: next(iter(examples.values())) for name, examples in EXAMPLES.items()}
OTHERS = {name: params for examples in EXAMPLES.values() for name, params in list(examples.items())[1:]}
OPTIONS: dict[str, RankerParams] = (
    PARAMS
    | OTHERS
    | {
        "colbert-normalised": ColbertParams(layers=3, dimension=16, normalise=True),
        "colbert-scaled": ColbertParams(layers=3, dimension=16, normalise=True, scale=20.0, learn_scale=True),
        "colbert-expanded": ColbertParams(layers=3, dimension=16, expand_queries=True),
        "colbert-masks": ColbertParams(layers=3, dimension=16, query_masks=2),
        "prettr-masks": PrettrParams(layers=3, join_layer=1, query_masks=3),
        "dot-cosine": DotParams(layers=3, pooling="mean", normalise=True, scale=20.0),
        "dot-scaled": DotParams(layers=3, pooling="mean", dimension=8, normalise=True, scale=20.0, learn_scale=True),
        "dot-projected": DotParams(layers=3, pooling="mean", dimension=8),
    }
)

# Weights large enough that tokens, positions and segments all tell in the scores.
_RANGE = {"initializer_range": 0.2}
_SIZE = {"vocab_size": 30522, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48} | _RANGE
_DEPTH = {"num_hidden_layers": 4}
_STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 64}
FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**_SIZE, **_DEPTH, **_STILL),
    "distilbert": DistilBertConfig(
        vocab_size=30522, dim=32, n_heads=4, hidden_dim=48, n_layers=4, max_position_embeddings=64, **_RANGE
    ),
    "albert": AlbertConfig(embedding_size=16, **_SIZE, **_DEPTH, **_STILL),
    "electra": ElectraConfig(embedding_size=32, **_SIZE, **_DEPTH, **_STILL),
    "electra-projected": ElectraConfig(embedding_size=16, **_SIZE, **_DEPTH, **_STILL),
    "roberta": RobertaConfig(type_vocab_size=1, pad_token_id=1, **_SIZE, **_DEPTH, **_STILL),
    # A window narrower than a passage.
    "modernbert": ModernBertConfig(
        **_SIZE, **_DEPTH, max_position_embeddings=64, local_attention=8, pad_token_id=0, bos_token_id=101
    ),
}


def saved_backbone(family: str, directory: Path, dtype: torch.dtype = torch.float32) -> Path:
    """A folder with random weights of a family."""
    torch.manual_seed(0)
    AutoModel.from_config(copy.deepcopy(FAMILIES[family]), dtype=dtype).save_pretrained(directory)
    return directory


def begun(params: RankerParams, source: PreTrainedModel, tokenizer: TextTokenizer) -> base.Ranker:
    """A ranker whose head is as large as its backbone's weights."""
    torch.manual_seed(1)
    ranker = begin_ranker(params, source, LENGTHS, tokenizer).eval()
    if isinstance(head := getattr(ranker, "head", None), nn.Linear):
        nn.init.normal_(head.weight, std=0.2)
    return ranker


def small_ranker(params: RankerParams, backbone: Path, tokenizer: TextTokenizer) -> base.Ranker:
    return begun(params, pretrained(backbone), tokenizer)


def rows(*lengths: int, width: int, seed: int) -> TokenBatch:
    """Random tokens of these lengths, padded to `width`."""
    ids = torch.randint(1000, 20000, (len(lengths), width), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    return TokenBatch(ids.masked_fill(~mask, 0), mask)


def row(batch: TokenBatch, number: int) -> TokenBatch:
    """One row on its own, without padding."""
    real = batch.mask[number]
    return TokenBatch(batch.ids[number, real].unsqueeze(0), real[real].unsqueeze(0))


def turned(batch: TokenBatch) -> TokenBatch:
    return TokenBatch(batch.ids.flip(0), batch.mask.flip(0))


def assert_scores_stand_alone(ranker: base.Ranker, tolerance: float) -> None:
    """Scores depend neither on padding, nor on the order of a batch, nor on what else is in it."""
    queries, passages = rows(3, 7, 5, width=9, seed=1), rows(20, 4, 11, width=24, seed=2)
    with torch.inference_mode():
        together = ranker.score(queries, passages)
        alone = torch.cat([ranker.score(row(queries, number), row(passages, number)) for number in range(3)])
        backwards = ranker.score(turned(queries), turned(passages)).flip(0)
    assert_close(together, alone, tolerance)
    assert_close(together, backwards, tolerance)
    assert together.std() > 50 * tolerance, "scores so alike that nothing was shown"


def assert_close(got: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance)


def tolerance_of(params: RankerParams) -> float:
    return STORED_IN_HALF if params.stored_in_half else EXACT
