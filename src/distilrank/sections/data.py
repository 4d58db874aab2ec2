"""The sections on texts, candidates and triples."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distilrank.sections.base import FileElsewhere, Section, Sha256, Share

# What finds candidates unless runs are given; and a teacher that nobody trains, of the triples' pairs.
BM25 = "bm25"


class Backbone(Section):
    """The pretrained transformer that rankers start from."""

    model: str = Field(min_length=1)
    """`minilm`, which is bundled; or a Hugging Face id; or a folder."""

    sha256: Sha256 | None
    """The digest of its `model.safetensors`. DVC notices changed weights by it. null: nothing is checked, and DVC
    does not notice.
    """


class OwnBackbone(Backbone):
    """A backbone that one teacher or student has for itself."""

    own_vocabulary: bool = False
    """Whether its vocabulary differs from that of the section `backbone`, so that it needs tokens of its own."""


class Tokens(Section):
    """How much of a text is read, and which prefix it gets."""

    query_length: int = Field(ge=1, le=512, default=16)
    """Word pieces kept of a query."""

    passage_length: int = Field(ge=1, le=8192, default=24)
    """Word pieces kept of a passage."""

    query_prefix: str = ""
    """Text before each query, such as `query: ` for E5. Its word pieces count toward the length."""

    passage_prefix: str = ""
    """Text before each passage, likewise."""


class GivenTokens(Section):
    """How much of a text a given ranker reads, and which prefix it gets."""

    query_length: Annotated[int, Field(ge=1, le=512)] | None = None
    """Word pieces kept of a query. null: as many as the checkpoint says, else `tokens.query_length`."""

    passage_length: Annotated[int, Field(ge=1, le=8192)] | None = None
    """Word pieces kept of a passage. null: likewise."""

    query_prefix: str | None = None
    """Text before each query. null: the checkpoint's own prompt for queries, if it has one."""

    passage_prefix: str | None = None
    """Text before each passage. null: the checkpoint's own prompt for documents, if it has one."""


class Candidates(Section):
    """The passages to re-rank: BM25's best, or those of given runs."""

    depth: int = Field(ge=1, le=1000, default=100)
    """Passages per query."""

    k1: float = Field(gt=0, default=1.5)
    """BM25's saturation of term frequencies."""

    b: float = Field(ge=0, le=1, default=0.75)
    """BM25's share of the length normalisation."""

    stemmer: Literal["english"] | None = None
    """Snowball's stemmer, which makes `boats` and `boat` one term. null: words count as they are."""

    runs: list[FileElsewhere] = Field(default=[])
    """Runs whose passages replace BM25's for their queries: in TREC's form, or as lines of query_id, passage_id, query,
    passage.
    """

    def first_stage(self) -> str:
        """The name, in tables and runs, of what finds the candidates: bm25, or `given` where runs are."""
        return "given" if self.runs else BM25


class TrainingCandidates(Candidates):
    """The candidates of test, dev and training queries."""

    train_depth: int = Field(ge=0, le=1000, default=30)
    """Passages per training query."""


class Draw(Section):
    """How triples are drawn from ranked passages."""

    negatives: int = Field(ge=1, default=1)
    """Negatives per triple, at most `negatives_from`."""

    negatives_from: int = Field(ge=1, default=30)
    """Negatives are drawn from this many of a query's best passages. If these are candidates,
    it is at most `candidates.train_depth`.
    """

    seed: int = Field(ge=0, default=42)
    """The seed of the draw."""

    @model_validator(mode="after")
    def has_enough_negatives(self) -> Self:
        if self.negatives > self.negatives_from:
            raise ValueError(f"negatives is {self.negatives}, more than negatives_from, {self.negatives_from}")
        return self


class Triples(Draw):
    """Training triples, drawn: a positive by the qrels, negatives from the candidates."""

    count: int = Field(ge=1, default=3200)
    """How many are drawn."""


class GivenTriples(FileElsewhere):
    """Triples of a file in MS MARCO's form, tab-separated: a query, a relevant passage, a negative."""

    columns: Literal["ids", "texts"]
    """Whether the file has ids or texts."""

    count: Annotated[int, Field(ge=1)] | None = None
    """How many triples are taken, from the first on. null: all."""


class Lists(FileElsewhere):
    """Passages per query, by their texts. The texts are looked up in the collection."""

    negatives: int = Field(ge=1, default=1)
    """Negatives per triple. A query's last negatives are left out if they are too few for another triple."""


class GivenLists(Lists):
    """Hard negatives that another library mined: JSON lines or Parquet of texts."""

    form: Literal["flagembedding", "sentence-transformers"]
    """The library that reads them."""


class Unlabelled(Section):
    """Triples of queries without qrels, by a teacher's scores of their candidates."""

    depth: int = Field(ge=2, le=1000)
    """Candidates per query that the teacher scores."""

    triples: int = Field(ge=1)
    """Triples per query, at most."""

    positive_from: Share
    """The share of the labelled positives that score at least the threshold. A passage that does too is relevant."""

    negative_to: Share
    """The share of the labelled negatives that score at most the threshold. A passage that does too is not relevant."""

    seed: int = Field(ge=0)
    """The seed of the draw."""

    clicks: FileElsewhere | None = None
    """A file of clicks, in the form of qrels. For a query with clicks, only clicked passages are relevant, unless the
    teacher scores them like negatives. null: no clicks are known."""
