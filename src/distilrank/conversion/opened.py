"""A checkpoint that was read, with all that makes it a ranker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import CheckpointError
from distilrank.rankers.params import RankerParams
from distilrank.sections.data import GivenTokens, Tokens


@dataclass(frozen=True)
class Told:
    """What a checkpoint says of its texts: lengths without special tokens (None where it gives none), and prefixes."""

    query_length: int | None = None
    passage_length: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""

    def read_as(self, asked: GivenTokens, usual: Tokens) -> Tokens:
        """The lengths and prefixes that are asked for, else the checkpoint's, else the usual ones."""
        told = {key: value for key, value in vars(self).items() if value is not None}
        wanted = asked.model_dump(exclude_none=True)
        return usual.model_copy(update=told | wanted)


@dataclass(frozen=True)
class Opened:
    """The ranker's entry, the transformer that it begins on, its linear layers by name, and what the checkpoint
    says."""

    params: RankerParams
    source: PreTrainedModel
    tokenizer: TextTokenizer
    linear: Mapping[str, nn.Linear] = field(default_factory=dict)
    told: Told = Told()


def saved_tokenizer(tokenizer: PreTrainedTokenizerBase, target: Path) -> TextTokenizer:
    """Writes the tokenizer's two files to `target`. Raises BackboneError if it lacks special tokens."""
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        copy_tokenizer(Path(folder), target)
    return TextTokenizer(target)


def refuse_other_frame(tokenizer: TextTokenizer, folder: Path, *texts: str) -> None:
    """Raises CheckpointError unless the tokenizer frames texts as our rankers do: [CLS] text [SEP] text [SEP]."""
    special = tokenizer.special_tokens
    framed = [special.cls, *(number for ids in tokenizer.ids(texts) for number in (*ids, special.sep))]
    if tokenizer.framed(*texts).ids != framed:
        raise CheckpointError(
            folder,
            got="a tokenizer that puts tokens other than its cls and sep around a text",
            expected="cls and sep, as in encoders of the kind of bert and roberta",
            remedy="name another checkpoint, or import its scores",
        )
