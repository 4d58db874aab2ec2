"""ColBERT as a MultiVectorEncoder."""

from pathlib import Path

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Normalize
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from torch import nn

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Ranker
from distilrank.rankers.colbert.model import ColbertRanker
from distilrank.rankers.sentence_transformers import TOKENS, Exported, dense_of, lengths_of, prompts_of, transformer_of


def exported(ranker: Ranker, model: Path) -> Exported | None:
    """Exports it with its normalisation and query expansion. None if it has `query_masks`, which cannot be exported.

    A scale cannot be exported either, but changes no order: scores are those of the export times `scale`.
    """
    assert isinstance(ranker, ColbertRanker)
    if ranker.params.query_masks:
        return None
    lengths = lengths_of(ranker)
    if ranker.params.expand_queries:
        # The length of the expansion replaces query_length.
        expansion = {"strategy": "fixed", "attend": False, "length": lengths.pop("query_length")}
        transformer = transformer_of(ranker, model, **lengths, query_expansion=expansion)
    else:
        transformer = transformer_of(ranker, model, **lengths)
    normalise = [Normalize(module_input_name=TOKENS)] if ranker.params.normalise else []
    vocabulary = TextTokenizer(model).vocabulary()
    last = [*normalise, MultiVectorMask(skiplist_words=[vocabulary[one] for one in ranker.params.skipped_tokens])]
    modules: list[nn.Module] = [transformer, dense_of(ranker.projection, TOKENS), *last]
    encoder = MultiVectorEncoder(modules=modules, prompts=prompts_of(ranker), similarity_fn_name="maxsim", device="cpu")
    return Exported(encoder, {"scale": ranker.scale.value})
