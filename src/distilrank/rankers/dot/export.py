"""BERT_DOT as a SentenceTransformer."""

from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from distilrank.rankers.base import Ranker
from distilrank.rankers.dot.model import DotRanker
from distilrank.rankers.sentence_transformers import (
    SENTENCE,
    Exported,
    dense_of,
    lengths_of,
    prompts_of,
    transformer_of,
)


def exported(ranker: Ranker, model: Path) -> Exported:
    """Exports it with its normalisation, and with the dot product as its similarity.

    A scale cannot be exported, but changes no order: scores are those of the export times `scale`.
    """
    assert isinstance(ranker, DotRanker)
    modules: list[nn.Module] = [
        transformer_of(ranker, model, **lengths_of(ranker)),
        Pooling(ranker.width, pooling_mode=ranker.params.pooling),
    ]
    if isinstance(ranker.projection, nn.Linear):
        modules.append(dense_of(ranker.projection, SENTENCE))
    if ranker.params.normalise:
        modules.append(Normalize())
    encoder = SentenceTransformer(modules=modules, prompts=prompts_of(ranker), similarity_fn_name="dot", device="cpu")
    return Exported(encoder, {"scale": ranker.scale.value})
