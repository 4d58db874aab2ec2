"""Stored token ids, against the tokenizer of transformers."""

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from transformers import AutoTokenizer

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, refuse_other_vocabulary
from distilrank.data.tokens import TokenStore, write_ragged
from distilrank.errors import BackboneError, MissingInput


def test_tokenising_again_gives_the_stored_ids(project: Path, tiny_params: Params, backbone: Path) -> None:
    store, collection = TokenStore.open(layout.TOKENS), Collection.read(layout.COLLECTION)
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    for stored, texts, length in (
        (store.queries, collection.queries["text"].to_list(), tiny_params.tokens.query_length),
        (
            store.passages,
            [text for some in collection.passage_texts(100) for text in some],
            tiny_params.tokens.passage_length,
        ),
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


def another_tokenizer(source: Path, folder: Path, word: str = "") -> Path:
    """A folder with the tokenizer, whose configuration says nothing, and with one word called otherwise."""
    folder.mkdir()
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    if word:
        tokenizer["model"]["vocab"][f"another{word}"] = tokenizer["model"]["vocab"].pop(word)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return folder


def test_special_tokens_have_their_usual_names_where_a_configuration_is_silent(backbone: Path, tmp_path: Path) -> None:
    silent = TextTokenizer(another_tokenizer(backbone, tmp_path / "silent"))
    assert silent.special_tokens == TextTokenizer(backbone).special_tokens


def test_a_backbone_of_ones_own_shares_the_vocabulary(backbone: Path, tmp_path: Path) -> None:
    tokenizer = TextTokenizer(backbone)
    refuse_other_vocabulary(another_tokenizer(backbone, tmp_path / "same"), tokenizer)
    with pytest.raises(BackboneError, match=r"a vocabulary other than that of the tokens"):
        refuse_other_vocabulary(another_tokenizer(backbone, tmp_path / "other", "service"), tokenizer)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_texts_may_come_in_any_number_at_once(backbone: Path, tmp_path: Path, at_once: int) -> None:
    texts = [f"text number {number} " * number for number in range(10)]
    batches = (texts[start : start + at_once] for start in range(0, 10, at_once))
    ids = pl.Series([f"{number}" for number in range(10)])
    told: list[int] = []
    lengths = write_ragged(tmp_path, "queries", ids, batches, TextTokenizer(backbone), 12, told.append)
    whole = TextTokenizer(backbone).ids(texts)
    assert lengths.tolist() == [len(row) for row in whole]
    assert sum(told) == 10
    offsets = np.load(tmp_path / "queries.offsets.npy")
    stored = np.load(tmp_path / "queries.tokens.npy")
    rows = [stored[start:end].tolist() for start, end in itertools.pairwise(offsets)]
    assert rows == [row[:12] for row in whole]
