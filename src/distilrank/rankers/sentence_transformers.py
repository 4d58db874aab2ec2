"""What all exports to sentence-transformers need: the transformer, its lengths and tokenizer, and linear layers."""

import inspect
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from sentence_transformers.base.modules import Dense, Transformer
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast

from distilrank.artifacts.files import read_json, write_json
from distilrank.rankers.base import SPECIAL_TOKENS, Ranker
from distilrank.rankers.transformer import TransformerRanker

SINGLE = SPECIAL_TOKENS - 1
# The name under which modules there read and write a text's vector.
SENTENCE = "sentence_embedding"
TOKENS = "token_embeddings"
SCORES = "scores"
# The file that says how its transformer is loaded.
_SETTINGS = "sentence_bert_config.json"


class Saved(Protocol):
    """A model of sentence-transformers: modules, of which the first reads texts."""

    def save(self, path: str, *, create_model_card: bool) -> None: ...

    def __getitem__(self, module: int) -> Any: ...


@dataclass(frozen=True)
class Exported:
    """A ranker for another library. `told` goes into the manifest beside it."""

    model: Saved
    told: Mapping[str, float] = field(default_factory=dict)

    def save(self, directory: Path) -> None:
        """Writes it, and says in its settings that the backbone has no pooler. Otherwise loading would add a random
        one."""
        self.model.save(str(directory), create_model_card=False)
        first, settings = self.model[0], directory / _SETTINGS
        if not isinstance(first, Transformer):
            return
        could_have = "add_pooling_layer" in inspect.signature(type(first.model).__init__).parameters
        if could_have and first.model.pooler is None:
            write_json(settings, read_json(settings) | {"model_kwargs": {"add_pooling_layer": False}})


def prompts_of(ranker: Ranker) -> dict[str, str]:
    """The ranker's prefixes, under the names by which encode_query and encode_document find prompts."""
    return {"query": ranker.config.query_prefix, "document": ranker.config.passage_prefix}


def lengths_of(ranker: TransformerRanker) -> dict[str, int]:
    query, passage = ranker.config.query_length + SINGLE, ranker.config.passage_length + SINGLE
    return {"query_length": query, "document_length": passage, "max_seq_length": max(query, passage)}


def transformer_of(ranker: TransformerRanker, model: Path, **settings: Any) -> Transformer:
    with tempfile.TemporaryDirectory() as folder:
        ranker.backbone.save_pretrained(folder)
        tokenizer_of(ranker, model).save_pretrained(folder)
        transformer: Transformer = Transformer(folder, **settings)
    # Loading would give a backbone without a pooler a random one.
    transformer.model = ranker.backbone
    return transformer


def tokenizer_of(ranker: TransformerRanker, model: Path) -> PreTrainedTokenizerFast:
    """The ranker's tokenizer, set to frame texts as the ranker does, whatever its family usually does."""
    segments = bool(ranker.segment_inputs(torch.empty(0)))
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if segments else [])]
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(model, model_input_names=inputs)
    second = int(segments)
    cls, sep = str(tokenizer.cls_token), str(tokenizer.sep_token)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:{second} {sep}:{second}",
        special_tokens=[(cls, ranker.config.cls_token_id), (sep, ranker.config.sep_token_id)],
    )
    return tokenizer


def dense_of(linear: nn.Linear, read: str, write: str | None = None) -> Dense:
    return Dense(
        linear.in_features,
        linear.out_features,
        activation_function=nn.Identity(),
        init_weight=linear.weight.detach(),
        init_bias=linear.bias.detach(),
        module_input_name=read,
        module_output_name=write,
    )
