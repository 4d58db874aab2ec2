"""A backbone's tokenizer: bare token ids, and the special tokens that frame them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from distilrank.errors import BackboneError

# The names of the special tokens in BERT and RoBERTa.
_USUAL = {
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "pad": ("[PAD]", "<pad>"),
    "mask": ("[MASK]", "<mask>"),
}
# Where a piece of a text begins and ends, in characters.
Span = tuple[int, int]
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json"]


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that frame a sequence. Stored ids have no special tokens."""

    cls: int
    sep: int
    pad: int
    mask: int | None


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

    def ids(self, texts: Sequence[str], prefix: str = "") -> list[list[int]]:
        """The token ids of each text, with the prefix before it. The texts are spread over all cores."""
        # As one string: a byte-level BPE joins a word to what precedes it.
        whole = [prefix + text for text in texts] if prefix else list(texts)
        return [one.ids for one in self._tokenizer.encode_batch_fast(whole, add_special_tokens=False)]

    def token(self, number: int) -> str:
        """The text of one token id."""
        text: str = self._tokenizer.decode([number], skip_special_tokens=False).strip()
        return text

    def words(self, text: str, prefix: str = "") -> list[Span]:
        """For each token id, the place in the text of the word that it belongs to.

        A token that is only of the prefix has an empty place.
        """
        encoding = self._tokenizer.encode(prefix + text, add_special_tokens=False)
        places: dict[int | None, Span] = {}
        for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
            places[word] = (min(start, places.get(word, (start,))[0]), end)
        return [_within(text, *places[word], len(prefix)) for word in encoding.word_ids]

    def framed(self, text: str, second: str | None = None) -> Encoding:
        """A text, or a pair of texts, with the special tokens that the tokenizer itself puts around them."""
        return self._tokenizer.encode(text, second)

    def _special_tokens(self, folder: Path) -> SpecialTokens:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))

        def token(name: str) -> str | None:
            given = config.get(f"{name}_token") or self._usual(name)
            text: str | None = given["content"] if isinstance(given, dict) else given
            return text

        def number(name: str) -> int | None:
            return self._tokenizer.token_to_id(token(name) or "")

        def needed(name: str) -> int:
            found = number(name)
            if found is None:
                raise BackboneError(
                    folder / "tokenizer_config.json",
                    got=f"{name}_token {token(name)!r}",
                    expected="a token of the vocabulary",
                    remedy="use a backbone of the encoder kind, with cls, sep and pad tokens",
                )
            return found

        # A classifier may have no mask token.
        return SpecialTokens(needed("cls"), needed("sep"), needed("pad"), number("mask"))

    def _usual(self, name: str) -> str | None:
        """The token that transformers takes where a configuration, such as bert-base-uncased's, names none."""
        usual = (token for token in _USUAL[name] if self._tokenizer.token_to_id(token) is not None)
        return next(usual, None)


def _within(text: str, start: int, end: int, skipped: int) -> Span:
    """A place in the text after the `skipped` characters of a prefix, without white space at its ends."""
    start, end = max(0, start - skipped), max(0, end - skipped)
    word = text[start:end]
    return start + len(word) - len(word.lstrip()), start + len(word.rstrip())


def refuse_other_vocabulary(
    backbone: Path,
    tokenizer: TextTokenizer,
    remedy: str = "set own_vocabulary of its backbone, or name one of the same family",
) -> None:
    """Raises BackboneError if a backbone numbers its tokens differently from the stored ones."""
    if TextTokenizer(backbone).vocabulary() != tokenizer.vocabulary():
        raise BackboneError(
            backbone,
            got="a vocabulary other than that of the tokens to be read",
            expected="the vocabulary of these tokens",
            remedy=remedy,
        )


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copies the tokenizer's files, so that with `target` alone, texts are tokenized as in the store."""
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)
