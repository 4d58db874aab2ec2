"""Stored token ids, against the tokenizer of transformers."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from transformers import AutoTokenizer

from distilrank import layout
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.errors import MissingInput
from distilrank.params import Params


def test_tokenising_again_gives_the_stored_ids(project: Path, tiny_params: Params, backbone: Path) -> None:
    store, collection = TokenStore.open(layout.TOKENS), Collection.read(layout.COLLECTION)
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    for stored, texts, length in (
        (store.queries, collection.queries["text"].to_list(), tiny_params.tokens.query_length),
        (store.passages, collection.passage_texts(), tiny_params.tokens.passage_length),
    ):
        again = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=length)["input_ids"]
        assert [stored[row].tolist() for row in range(len(stored))] == again


def test_special_tokens_are_the_tokenizers(project: Path, backbone: Path) -> None:
    special, tokenizer = TokenStore.open(layout.TOKENS).special_tokens, AutoTokenizer.from_pretrained(backbone)
    assert (special.cls, special.sep, special.pad) == (
        tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id,
    )  # fmt: skip


def test_ids_are_mapped_from_disk_in_two_bytes(project: Path) -> None:
    ids = TokenStore.open(layout.TOKENS).passages.ids
    assert isinstance(ids, np.memmap)
    assert ids.dtype == np.uint16


def test_padding_fills_up_to_the_longest_row(project: Path) -> None:
    passages = TokenStore.open(layout.TOKENS).passages
    rows = np.array([5, 0, 9])
    ids, mask = passages.padded(rows, pad=0)
    assert ids.shape[1] == max(len(passages[row]) for row in rows)
    for row, line, real in zip(rows, ids, mask, strict=True):
        assert line[real].tolist() == passages[row].tolist()
        assert not line[~real].any()


def test_an_unknown_id_is_named(project: Path) -> None:
    with pytest.raises(MissingInput, match="zebra"):
        TokenStore.open(layout.TOKENS).query_rows(pl.Series(["zebra"]))
