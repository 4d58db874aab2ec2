"""As sentence-transformers' StaticEmbedding, which is the same model."""

from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from distilrank.rankers.sentence_transformers import Exported
from toy_bag.model import BagRanker


def exported(ranker: BagRanker, model: Path) -> Exported:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    static = StaticEmbedding(tokenizer, embedding_weights=ranker.embeddings.weight.detach())
    return Exported(SentenceTransformer(modules=[static], similarity_fn_name="dot", device="cpu"))
