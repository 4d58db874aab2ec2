"""Rankers of known shapes with random weights, and random texts for them, so that the check needs no weights and no
data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import nn

from distilrank.data.ragged import RaggedIds, StoredTexts
from distilrank.rankers.base import Ranker, RankerConfig
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.sections.data import Tokens

PAD, UNKNOWN, CLS, SEP, MASK = range(5)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# The lengths in arXiv 2010.02666.
_PAPERS = Tokens(query_length=30, passage_length=200)


@dataclass(frozen=True)
class Shape:
    """The sizes of a BERT and of its texts."""

    name: str
    layers: int
    width: int
    heads: int
    feed_forward: int
    vocabulary: int = 30_522
    lengths: Tokens = _PAPERS

    def rankers(self) -> dict[str, RankerParams]:
        """Every architecture, in every variant of what it computes."""
        return {
            name: params
            for architecture in ARCHITECTURES.values()
            for name, params in architecture.examples(self.layers, self.width).items()
        }


TINY = Shape("tiny", 2, 32, 2, 64, 500, Tokens(query_length=6, passage_length=16))
SMALL = Shape("small", 3, 128, 4, 256, 5_000)
MINILM = Shape("MiniLM", 6, 384, 12, 1536)
BERT_BASE = Shape("BERT-Base", 12, 768, 12, 3072)


def random_ranker(shape: Shape, params: RankerParams, dropout: float = 0.0, seed: int = 0) -> Ranker:
    """A ranker with weights so large that every part of its input shows in its scores."""
    bert: dict[str, Any] = {
        "model_type": "bert",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.75 * shape.width**-0.5,
        "pad_token_id": PAD,
    }
    table = {"vocab_size": shape.vocabulary, "hidden_size": shape.width}
    config = RankerConfig(
        ranker=params.model_dump(),
        backbone=bert if params.has_transformer else table,
        query_length=shape.lengths.query_length,
        passage_length=shape.lengths.passage_length,
        cls_token_id=CLS,
        sep_token_id=SEP,
        pad_token_id=PAD,
        mask_token_id=MASK,
    )
    torch.manual_seed(seed)
    ranker = ARCHITECTURES[params.architecture].ranker()(config)
    if isinstance(head := getattr(ranker, "head", None), nn.Linear) and params.has_transformer:
        nn.init.normal_(head.weight, std=2 * shape.width**-0.5)
    ranker.train(False)
    return ranker


def random_texts(shape: Shape, queries: int, passages: int, shortest: float = 1.0, seed: int = 0) -> StoredTexts:
    """Texts of the shape's lengths, or of random lengths from `shortest` times these on."""
    random = np.random.default_rng(seed)

    def ragged(texts: int, longest: int) -> RaggedIds:
        lengths = random.integers(max(1, round(shortest * longest)), longest + 1, texts)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return RaggedIds(random.integers(len(SPECIAL), shape.vocabulary, offsets[-1]).astype(np.uint16), offsets)

    lengths = shape.lengths
    return StoredTexts(ragged(queries, lengths.query_length), ragged(passages, lengths.passage_length), PAD)


def words_of(ids: RaggedIds) -> list[str]:
    """Each text as words, to which the tokenizer of `save_tokenizer` gives the same ids."""
    return [" ".join(f"w{token}" for token in ids[row]) for row in range(len(ids))]


def save_tokenizer(shape: Shape, directory: Path) -> None:
    """Saves a tokenizer of words, one token per word."""
    words = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), shape.vocabulary))]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(directory / "tokenizer.json"))
    names = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": CLS, "sep_token": SEP, "mask_token": MASK}
    written = {name: SPECIAL[number] for name, number in names.items()}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(json.dumps(written | kind), "utf-8")
