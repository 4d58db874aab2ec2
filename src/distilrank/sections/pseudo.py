"""The section on queries that are made of passages, where people asked few or none."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from distilrank.sections.base import Section, Sha256, Share
from distilrank.sections.data import Candidates


class PseudoQueries(Section):
    """Queries made of passages (generative pseudo-labelling, arXiv 2112.07577). Each one's passage is relevant to it.

    They are training queries. Where the collection has no dev or test queries, some are held out as these.
    """

    by: str
    """What makes them."""

    passages: Annotated[int, Field(ge=1)] | None = None
    """How many passages, drawn by lot, queries are made of. null: all."""

    per_passage: int = Field(ge=1, default=1)
    """The most queries per passage."""

    found_within: Annotated[int, Field(ge=1, le=1000)] | None = 10
    """A training query is kept if its passage is among this many of BM25's best, by `candidates.k1`, `b` and
    `stemmer`. null: all are kept.
    """

    dev_share: Share = 0.05
    """Share of the passages whose queries become dev queries, if the collection has none and takes none from its
    training queries.
    """

    test_share: Share = 0.05
    """Share of the passages whose queries become the test set `pseudo`, if the collection has no test queries."""

    seed: int = Field(ge=0, default=42)
    """The seed of all draws."""

    def filter_of(self, candidates: Candidates) -> dict[str, Any] | None:
        """The params of the BM25 that filters queries. None where nothing filters them."""
        return candidates.model_dump(include={"k1", "b", "stemmer"}) if self.found_within else None


class Titles(PseudoQueries):
    """The titles of passages."""

    by: Literal["titles"]
    per_passage: Literal[1] = 1


class SentenceKeys(PseudoQueries):
    """Which sentences become queries."""

    minimum_words: int = Field(ge=1, default=4)
    """Sentences with fewer words are left out."""

    maximum_words: int = Field(ge=1, default=24)
    """Sentences with more words are left out."""


class PhraseKeys(PseudoQueries):
    """Which phrases become queries."""

    words: int = Field(ge=1, default=4)
    """Words of each query. A second query has the next best words, and so on."""


class Sentences(SentenceKeys):
    """Sentences of passages, drawn by lot."""

    by: Literal["sentences"]


class Phrases(PhraseKeys):
    """The words of a passage with the highest tf-idf, in the order of the passage."""

    by: Literal["phrases"]


class Mixed(SentenceKeys, PhraseKeys):
    """All three: the title of a passage, `per_passage` sentences, and `per_passage` phrases."""

    by: Literal["mixed"]


class Generated(PseudoQueries):
    """Queries that a sequence-to-sequence model, such as doc2query, writes for passages, sampled by likelihood."""

    by: Literal["model"]

    checkpoint: str = Field(min_length=1)
    """A Hugging Face id or a folder."""

    sha256: Sha256 | None = None
    """The digest of its `model.safetensors`. DVC notices changed weights by it. null: nothing is checked, and DVC
    does not notice.
    """

    prefix: str = ""
    """Text before each passage, as the model was trained."""

    passage_length: int = Field(ge=1, default=320)
    """How many word pieces of a passage it reads."""

    query_length: int = Field(ge=1, default=32)
    """How many word pieces a query has, at most."""

    top_k: int = Field(ge=1, default=10)
    """Each word piece is drawn from the likeliest; this is how many of them."""

    batch_size: int = Field(ge=1, default=16)
    """How many passages the model reads at once."""


MAKERS: Mapping[str, type[PseudoQueries]] = {
    "titles": Titles, "sentences": Sentences, "phrases": Phrases, "mixed": Mixed, "model": Generated
}  # fmt: skip
