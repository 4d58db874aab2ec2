"""Rankers so small that they are made, saved and loaded in no time."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from distilrank.rankers.base import RankerConfig
from distilrank.rankers.table import ARCHITECTURES

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "create", "delete", "list", "a", "the", "bucket", "fleet", "of", "table"]
RANKERS = {
    "cat": {"architecture": "cat", "layers": 2},
    "prettr": {"architecture": "prettr", "layers": 2, "join_layer": 1},
    "dot": {
        "architecture": "dot",
        "layers": 2,
        "pooling": "mean",
        "normalise": True,
        "scale": 20.0,
        "learn_scale": True,
    },
}


def save_tiny_ranker(directory: Path, architecture: str, seed: int = 0) -> Path:
    """A ranker with random weights for texts of WORDS, with its tokenizer."""
    backbone = {
        "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64,
    }  # fmt: skip
    config = RankerConfig(
        ranker=RANKERS[architecture], backbone=backbone, query_length=4, passage_length=12,
        cls_token_id=1, sep_token_id=2, pad_token_id=0, mask_token_id=3,
    )  # fmt: skip
    torch.manual_seed(seed)
    ARCHITECTURES[architecture].ranker()(config).save_pretrained(directory)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    tokens = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[UNK]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(tokens))
    return directory
