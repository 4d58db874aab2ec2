"""BERT_CAT as a CrossEncoder."""

from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from distilrank.rankers.base import Ranker
from distilrank.rankers.cat.model import CatRanker
from distilrank.rankers.sentence_transformers import SCORES, SENTENCE, Exported, dense_of, transformer_of


def exported(ranker: Ranker, model: Path) -> Exported | None:
    """Exports it without an activation, so that scores stay raw. None if it has a passage prefix, which cannot be
    exported."""
    assert isinstance(ranker, CatRanker)
    if ranker.config.passage_prefix:
        return None
    length = ranker.longest()
    head = dense_of(ranker.head, SENTENCE, SCORES)
    if ranker.params.pooling == "pooler":
        read: dict[str, Any] = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
        pooled = transformer_of(ranker, model, max_seq_length=length, modality_config=read, module_output_name=SENTENCE)
        modules = [pooled, head]
    else:
        modules = [transformer_of(ranker, model, max_seq_length=length), Pooling(ranker.width, "cls"), head]
    prompt: dict[str, Any] = {}
    if ranker.config.query_prefix:
        # A CrossEncoder puts its prompt before the first text of a pair, which is the query.
        prompt = {"prompts": {"query": ranker.config.query_prefix}, "default_prompt_name": "query"}
    encoder: CrossEncoder = CrossEncoder(modules=modules, activation_fn=nn.Identity(), device="cpu", **prompt)
    return Exported(encoder)
