"""The section on queries that are made of passages, where people asked few or none."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from distilrank.sections.base import Section, Sha256, Share


class PseudoQueries(Section):
    """Queries made of passages (generative pseudo-labelling, arXiv 2112.07577): to what each is made of it is relevant.

    They are training queries. Where the collection has no dev or test queries, some are held out for these.
    """

    by: str
    """What makes them."""

    passages: Annotated[int, Field(ge=1)] | None = None
    """How many passages they are made of, drawn. null: all."""

    per_passage: int = Field(ge=1, default=1)
    """Queries of each, at most."""

    found_within: Annotated[int, Field(ge=1, le=1000)] | None = 10
    """A query stays where BM25 finds its passage among so many. null: all stay."""

    dev_share: Share = 0.05
    """Share of the passages whose queries are for development, where there are no dev queries."""

    test_share: Share = 0.05
    """Share of the passages whose queries are the test set `pseudo`, where there are no test queries."""

    seed: int = Field(ge=0, default=42)
    """Of what is drawn."""


class Titles(PseudoQueries):
    """The titles of passages."""

    by: Literal["titles"]
    per_passage: Literal[1] = 1


class SentenceKeys(PseudoQueries):
    """What is asked of sentences."""

    minimum_words: int = Field(ge=1, default=4)
    """Sentences with fewer words are left out."""

    maximum_words: int = Field(ge=1, default=24)
    """Sentences with more words are left out."""


class PhraseKeys(PseudoQueries):
    """What is asked of phrases."""

    words: int = Field(ge=1, default=4)
    """Words of each query. A second query has the next best words, and so on."""


class Sentences(SentenceKeys):
    """Sentences of passages, drawn."""

    by: Literal["sentences"]


class Phrases(PhraseKeys):
    """The words that tell a passage from others, by tf-idf, in the order in which they stand in it."""

    by: Literal["phrases"]


class Mixed(SentenceKeys, PhraseKeys):
    """All three of these: the title of a passage, and `per_passage` sentences and phrases each."""

    by: Literal["mixed"]


class Generated(PseudoQueries):
    """What a sequence-to-sequence model, such as doc2query, writes of passages: drawn from what it finds likely."""

    by: Literal["model"]

    checkpoint: str = Field(min_length=1)
    """A Hugging Face id or a folder."""

    sha256: Sha256 | None = None
    """Of its `model.safetensors`: by it DVC sees that the weights changed. null: they are not checked."""

    prefix: str = ""
    """Text before each passage, as the model was trained."""

    passage_length: int = Field(ge=1, default=320)
    """Its word pieces that are read of a passage."""

    query_length: int = Field(ge=1, default=32)
    """Its word pieces that a query has at most."""

    top_k: int = Field(ge=1, default=10)
    """Each word piece is drawn from the so many likeliest."""

    batch_size: int = Field(ge=1, default=16)
    """Passages at once."""


MAKERS: Mapping[str, type[PseudoQueries]] = {
    "titles": Titles, "sentences": Sentences, "phrases": Phrases, "mixed": Mixed, "model": Generated
}  # fmt: skip
