"""Rankers as directories that sentence-transformers reads: a bi-encoder, a cross-encoder, a multi-vector encoder."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast

from distilrank.errors import CheckpointError
from distilrank.new_directory import new_directory
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.base import SPECIAL_TOKENS
from distilrank.rankers.cat import CatRanker
from distilrank.rankers.colbert import ColbertRanker
from distilrank.rankers.dot import DotRanker
from distilrank.rankers.transformer import TransformerRanker

SINGLE = SPECIAL_TOKENS - 1
SENTENCE, TOKENS, SCORES = "sentence_embedding", "token_embeddings", "scores"


def export_model(model: Path, target: Path) -> None:
    """Writes a ranker to a new directory; the scores are those of the ranker, but for its scale.

    - DOT for SentenceTransformer, with its normalisation, and the dot product as its similarity;
    - ColBERT for MultiVectorEncoder, with its normalisation and query expansion;
    - CAT for CrossEncoder, with no activation on its raw scores.

    A scale of DOT or ColBERT changes no order, and there is no place for it there: the ranker's scores are those of the
    export times `scale`, which the manifest tells. So the scores of an exported normalised DOT are cosines.

    DOT and ColBERT cut queries and passages as the ranker does under `encode_query` and `encode_document`; a plain
    `encode` cuts at the longer of the two lengths. A CrossEncoder has one length for the pair and shortens the longer
    text first, so that a pair whose query or passage is beyond the ranker's length can score differently.

    Raises CheckpointError for an architecture that has no layout elsewhere and for an existing target, MissingInput.
    """
    ranker = load_ranker(model).cpu()
    scale = {"scale": ranker.scale.value} if isinstance(ranker, DotRanker | ColbertRanker) else {}
    used = {"model": model.name, **scale}
    with new_directory(target, "export-model", used, model / "model.safetensors") as directory:
        match ranker:
            case DotRanker():
                _bi_encoder(ranker, model).save(str(directory), create_model_card=False)
            case ColbertRanker() if not ranker.params.query_masks:
                _multi_vector_encoder(ranker, model).save(str(directory), create_model_card=False)
            case CatRanker():
                _cross_encoder(ranker, model).save(str(directory), create_model_card=False)
            case _:
                raise CheckpointError(
                    model,
                    got=f"a ranker {ranker.config.ranker}",
                    expected="one that other libraries know: dot, cat, or colbert without query_masks",
                    remedy="export another model",
                )


def _bi_encoder(ranker: DotRanker, model: Path) -> SentenceTransformer:
    modules: list[nn.Module] = [
        _transformer(ranker, model, **_lengths(ranker)),
        Pooling(ranker.width, pooling_mode=ranker.params.pooling),
    ]
    if isinstance(ranker.projection, nn.Linear):
        modules.append(_dense(ranker.projection, SENTENCE))
    if ranker.params.normalise:
        modules.append(Normalize())
    return SentenceTransformer(modules=modules, similarity_fn_name="dot", device="cpu")


def _multi_vector_encoder(ranker: ColbertRanker, model: Path) -> MultiVectorEncoder:
    lengths = _lengths(ranker)
    if ranker.params.expand_queries:
        # Its own length takes the place of query_length.
        expansion = {"strategy": "fixed", "attend": False, "length": lengths.pop("query_length")}
        transformer = _transformer(ranker, model, **lengths, query_expansion=expansion)
    else:
        transformer = _transformer(ranker, model, **lengths)
    normalise = [Normalize(module_input_name=TOKENS)] if ranker.params.normalise else []
    modules: list[nn.Module] = [transformer, _dense(ranker.projection, TOKENS), *normalise, MultiVectorMask()]
    return MultiVectorEncoder(modules=modules, similarity_fn_name="maxsim", device="cpu")


def _cross_encoder(ranker: CatRanker, model: Path) -> CrossEncoder:
    length = ranker.longest()
    head = _dense(ranker.head, SENTENCE, SCORES)
    if ranker.params.pooling == "pooler":
        read: dict[str, Any] = {"text": {"method": "forward", "method_output_name": "pooler_output"}}
        pooled = _transformer(ranker, model, max_seq_length=length, modality_config=read, module_output_name=SENTENCE)
        modules = [pooled, head]
    else:
        modules = [_transformer(ranker, model, max_seq_length=length), Pooling(ranker.width, "cls"), head]
    encoder: CrossEncoder = CrossEncoder(modules=modules, activation_fn=nn.Identity(), device="cpu")
    return encoder


def _lengths(ranker: TransformerRanker) -> dict[str, int]:
    query, passage = ranker.config.query_length + SINGLE, ranker.config.passage_length + SINGLE
    return {"query_length": query, "document_length": passage, "max_seq_length": max(query, passage)}


def _transformer(ranker: TransformerRanker, model: Path, **settings: Any) -> Transformer:
    with tempfile.TemporaryDirectory() as folder:
        ranker.backbone.save_pretrained(folder)
        _tokenizer(ranker, model).save_pretrained(folder)
        transformer: Transformer = Transformer(folder, **settings)
    # Loading gives a backbone without a pooler a random one.
    transformer.model = ranker.backbone
    return transformer


def _tokenizer(ranker: TransformerRanker, model: Path) -> PreTrainedTokenizerFast:
    """The ranker's tokenizer, made to frame texts as the ranker does, whatever the backbone's family does."""
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


def _dense(linear: nn.Linear, read: str, write: str | None = None) -> Dense:
    return Dense(
        linear.in_features,
        linear.out_features,
        activation_function=nn.Identity(),
        init_weight=linear.weight.detach(),
        init_bias=linear.bias.detach(),
        module_input_name=read,
        module_output_name=write,
    )
