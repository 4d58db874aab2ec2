"""Token ids, once for all: ragged memory-mapped arrays, so that no tokenizer runs in a training or scoring loop."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl
from tokenizers import Tokenizer

from distilrank.artifacts import built
from distilrank.data.npy import growing_array
from distilrank.errors import BackboneError, MissingInput
from distilrank.progress import Advance

Rows = npt.NDArray[np.int64]
# As BERT and RoBERTa call them.
_USUAL = {
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "pad": ("[PAD]", "<pad>"),
    "mask": ("[MASK]", "<mask>"),
}
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json"]


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that frame a sequence; the stored ids are bare."""

    cls: int
    sep: int
    pad: int
    mask: int


@dataclass(frozen=True)
class RaggedIds:
    """Token ids of many texts, one after the other: text i is ids[offsets[i]:offsets[i + 1]]."""

    ids: npt.NDArray[np.unsignedinteger]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.unsignedinteger]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def lengths(self, rows: Rows) -> npt.NDArray[np.int64]:
        lengths: npt.NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def padded(self, rows: Rows, pad: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Ids (rows, longest) filled up with `pad`, and a mask (rows, longest) that is true at real tokens."""
        lengths = self.lengths(rows)
        mask = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
        ids = np.full(mask.shape, pad, np.int64)
        ids[mask] = self.subset(rows).ids
        return ids, mask

    def subset(self, rows: Rows) -> Self:
        """The texts of `rows` alone, in memory."""
        lengths = self.lengths(rows)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Where each token of row i stands: its place among all chosen tokens, moved to where row i begins.
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return type(self)(np.asarray(self.ids[places]), offsets)

    def digests(self) -> npt.NDArray[np.uint64]:
        """64 bits (texts,) that tell one sequence of tokens from another."""
        whole = (hashlib.blake2b(self[row].tobytes(), digest_size=8).digest() for row in range(len(self)))
        return np.frombuffer(b"".join(whole), np.uint64)


class TextTokenizer:
    """A backbone's tokenizer, without padding, truncation or special tokens of its own."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.special_tokens = self._special_tokens(folder)

    @property
    def vocabulary_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    def vocabulary(self) -> list[str]:
        """The token of each id."""
        by_id = {number: token for token, number in self._tokenizer.get_vocab().items()}
        return [by_id.get(number, "") for number in range(self.vocabulary_size)]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text; all cores share the texts."""
        return [one.ids for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def _special_tokens(self, folder: Path) -> SpecialTokens:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        ids: dict[str, int] = {}
        for name in ("cls", "sep", "pad", "mask"):
            token = config.get(f"{name}_token") or self._usual(name)
            text = token["content"] if isinstance(token, dict) else token
            number = self._tokenizer.token_to_id(text) if text else None
            if number is None:
                raise BackboneError(
                    folder / "tokenizer_config.json",
                    got=f"{name}_token {text!r}",
                    expected="a token of the vocabulary",
                    remedy="use a backbone of the encoder kind, with cls, sep, pad and mask tokens",
                )
            ids[name] = number
        return SpecialTokens(**ids)

    def _usual(self, name: str) -> str | None:
        """What transformers takes where a configuration, such as bert-base-uncased's, says nothing."""
        usual = (token for token in _USUAL[name] if self._tokenizer.token_to_id(token) is not None)
        return next(usual, None)


@dataclass(frozen=True)
class TokenStore:
    """Bare token ids of a collection's queries and passages, cut to the configured lengths, and their ids."""

    queries: RaggedIds
    passages: RaggedIds
    query_ids: pl.Series
    passage_ids: pl.Series
    special_tokens: SpecialTokens

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Maps the files that the stage `tokenize` wrote. Raises MissingInput."""
        built(directory / TOKENIZER_FILES[0])
        queries, query_ids = _open_ragged(directory, "queries")
        passages, passage_ids = _open_ragged(directory, "passages")
        return cls(queries, passages, query_ids, passage_ids, TextTokenizer(directory).special_tokens)

    def subset(self, query_ids: pl.Series, passage_ids: pl.Series) -> Self:
        """The store of some queries and passages, in memory. Raises MissingInput for an id that is not stored."""
        query_ids, passage_ids = query_ids.unique().sort(), passage_ids.unique().sort()
        return type(self)(
            self.queries.subset(self.query_rows(query_ids)),
            self.passages.subset(self.passage_rows(passage_ids)),
            query_ids,
            passage_ids,
            self.special_tokens,
        )

    def query_rows(self, ids: pl.Series) -> Rows:
        return rows_of(ids, self.query_ids, "query")

    def passage_rows(self, ids: pl.Series) -> Rows:
        return rows_of(ids, self.passage_ids, "passage")


def write_ragged(
    directory: Path,
    name: str,
    ids: pl.Series,
    texts: Iterable[Sequence[str]],
    tokenizer: TextTokenizer,
    length: int,
    advance: Advance,
) -> npt.NDArray[np.int64]:
    """Writes the first `length` tokens of texts, which come some at a time: uint16 where the vocabulary allows.

    Returns how many tokens each text has (texts,), before it is cut.
    """
    kind = np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.uint32
    lengths = [np.empty(0, np.int64)]
    with growing_array(directory / f"{name}.tokens.npy", kind) as append:
        for some in texts:
            rows = tokenizer.ids(some)
            append(np.concatenate([np.asarray(row[:length], kind) for row in rows]))
            lengths.append(np.asarray([len(row) for row in rows]))
            advance(len(rows))
    every = np.concatenate(lengths)
    if len(every) != len(ids):
        raise AssertionError(f"{len(every)} texts of {len(ids)} {name}")
    np.save(directory / f"{name}.offsets.npy", np.concatenate([[0], np.cumsum(np.minimum(every, length))]))
    pl.DataFrame({"id": ids}).write_parquet(directory / f"{name}.ids.parquet")
    return every


def refuse_other_vocabulary(backbone: Path, tokenizer: TextTokenizer) -> None:
    """Raises BackboneError where a backbone gives tokens other numbers than the stored ones have."""
    if TextTokenizer(backbone).vocabulary() != tokenizer.vocabulary():
        raise BackboneError(
            backbone,
            got="another vocabulary than that of data/tokens",
            expected="the vocabulary of backbone.model in params.yaml",
            remedy="name a backbone of the same family, or import its scores",
        )


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copies the tokenizer's files, so that whoever holds `target` can tokenize as the store was."""
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)


def _open_ragged(directory: Path, name: str) -> tuple[RaggedIds, pl.Series]:
    tokens = np.load(directory / f"{name}.tokens.npy", mmap_mode="r")
    offsets = np.load(directory / f"{name}.offsets.npy", mmap_mode="r")
    ids = pl.read_parquet(directory / f"{name}.ids.parquet")["id"]
    return RaggedIds(tokens, offsets), ids


def rows_of(wanted: pl.Series, known: pl.Series, what: str) -> Rows:
    """Where ids stand among the known ones, which ascend. Raises MissingInput for an id that does not."""
    rows, strange = find(wanted, known)
    if strange.any():
        first = wanted.filter(strange)[0]
        raise MissingInput(
            f"{what} '{first}'",
            got="an id that is not stored",
            expected=f"a {what} of the collection",
            remedy="build what is out of date: dvc repro",
        )
    return rows


def find(wanted: pl.Series, known: pl.Series) -> tuple[Rows, pl.Series]:
    """Where ids stand among the known ones, which ascend, and a mask of those that do not."""
    rows = np.minimum(known.search_sorted(wanted).to_numpy().astype(np.int64), len(known) - 1)
    return rows, known.gather(rows) != wanted
