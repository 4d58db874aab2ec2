"""Small random models of other libraries, saved by these, and their tokenizers."""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

QUERIES = ["How do I delete a fleet?", "list every bucket", "Création d'une file 🚗"]
PASSAGES = [
    "Deletes a fleet. Before that, all of its vehicles must be dissociated.",
    "Returns a list of all buckets that are owned by the sender.",
    "Creates a new queue with the attributes that you pass.",
]
SIZE: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "embedding_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 80,
    "initializer_range": 0.3,
}
DISTILBERT = {"dim": 32, "n_heads": 2, "hidden_dim": 48, "n_layers": 2, "max_position_embeddings": 80}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0, "pooler_hidden_size": 32}
# By family: what differs from SIZE, and whether its tokenizer is RoBERTa's.
FAMILIES: dict[str, tuple[dict[str, Any], bool]] = {
    "bert": (SIZE, False),
    "distilbert": (DISTILBERT | {"initializer_range": 0.3}, False),
    "roberta": (SIZE | {"type_vocab_size": 1}, True),
    "xlm-roberta": (SIZE | {"type_vocab_size": 1}, True),
    "electra": (SIZE, False),
    "albert": (SIZE | {"embedding_size": 16}, False),
    "modernbert": (SIZE | {"local_attention": 8}, False),
    "deberta-v2": (SIZE | DEBERTA, False),
}


def byte_level() -> PreTrainedTokenizerFast:
    """A byte-level BPE that frames a pair as RoBERTa's does: <s> a </s></s> b </s>. It has no mask."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*PASSAGES, *QUERIES, "query: ", "passage: "], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def tokenizer_of(family: str, bundled: Path) -> PreTrainedTokenizerBase:
    if FAMILIES[family][1]:
        return byte_level()
    names = ["input_ids", "attention_mask"] + ([] if family in ("distilbert", "modernbert") else ["token_type_ids"])
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(bundled, model_input_names=names)
    return tokenizer


def saved(family: str, bundled: Path, target: Path, labels: int | None = None, **changed: Any) -> Path:
    """A random transformer, with a classifier of so many labels or without, and its tokenizer."""
    torch.manual_seed(0)
    tokenizer = tokenizer_of(family, bundled)
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id}
    sizes = FAMILIES[family][0] | special | changed
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **sizes)
    if labels is None:
        model = AutoModel.from_config(config)
    else:
        config.num_labels = labels
        model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def sentence_transformer(
    transformer: Path,
    target: Path,
    pooling: str = "mean",
    dense: int | None = None,
    normalise: bool = False,
    activation: nn.Module | None = None,
    **settings: Any,
) -> SentenceTransformer:
    """Saved and loaded again."""
    first = Transformer(str(transformer))
    modules: list[nn.Module] = [first, Pooling(first.get_embedding_dimension(), pooling)]
    if dense:
        modules.append(Dense(first.get_embedding_dimension(), dense, activation_function=activation or nn.Identity()))
    if normalise:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu", **settings).save(str(target), create_model_card=False)
    return SentenceTransformer(str(target), device="cpu")


def multi_vector(
    transformer: Path,
    target: Path,
    skipped: list[str] | None = None,
    expansion: dict[str, Any] | None = None,
    **settings: Any,
) -> MultiVectorEncoder:
    """Saved and loaded again."""
    first = Transformer(str(transformer), query_expansion=expansion)
    width = first.get_embedding_dimension()
    dense = Dense(width, 12, bias=False, activation_function=nn.Identity(), module_input_name="token_embeddings")
    last = [MultiVectorMask(skiplist_words=skipped), Normalize(module_input_name="token_embeddings")]
    encoder = MultiVectorEncoder(modules=[first, dense, *last], device="cpu", **settings)
    encoder.save(str(target), create_model_card=False)
    return MultiVectorEncoder(str(target), device="cpu")


def cross_encoder(transformer: Path, target: Path, **settings: Any) -> CrossEncoder:
    """Of a classifier; saved and loaded again."""
    encoder: CrossEncoder = CrossEncoder(str(transformer), device="cpu", **settings)
    encoder.save_pretrained(str(target), create_model_card=False)
    return CrossEncoder(str(target), device="cpu")
