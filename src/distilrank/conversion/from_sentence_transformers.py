"""Models of sentence-transformers as rankers: a SentenceTransformer, a CrossEncoder, a MultiVectorEncoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn
from transformers import PreTrainedTokenizerBase

from distilrank.conversion.classifiers import classifier
from distilrank.conversion.opened import Opened, Told, refuse_other_frame, saved_tokenizer
from distilrank.errors import CheckpointError
from distilrank.rankers.cat.params import CatParams
from distilrank.rankers.colbert.params import ColbertParams
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.sentence_transformers import SCORES, SENTENCE, SINGLE, TOKENS

Encoder: TypeAlias = SentenceTransformer | CrossEncoder | MultiVectorEncoder
AnyEncoder = TypeVar("AnyEncoder", SentenceTransformer, CrossEncoder, MultiVectorEncoder)
_STATES = {"method": "forward", "method_output_name": "last_hidden_state"}
_POOLER = {"method": "forward", "method_output_name": "pooler_output"}


def open_sentence_transformer(folder: Path, target: Path) -> Opened:
    """Reads a model with one vector per text. Raises CheckpointError."""
    encoder = _loaded(SentenceTransformer, folder)
    transformer, pooling, dense, normalised = _sorted_modules(encoder, folder, SENTENCE)
    if not isinstance(pooling, Pooling) or pooling.pooling_mode not in ("cls", "mean"):
        raise _refused(folder, f"the pooling {pooling}", "Pooling by cls or mean")
    told = _told(encoder, transformer)
    if not pooling.include_prompt and (told.query_prefix or told.passage_prefix):
        raise _refused(folder, "a pooling that leaves prompts out", "Pooling over all tokens")
    similarity = str(encoder.similarity_fn_name)
    if similarity not in ("cosine", "dot"):
        raise _refused(folder, f"the similarity {similarity}", "cosine or dot")
    if encoder.truncate_dim:
        raise _refused(folder, f"truncate_dim {encoder.truncate_dim}", "whole vectors")
    params = DotParams(
        layers=transformer.model.config.num_hidden_layers,
        pooling=pooling.pooling_mode,
        dimension=dense.out_features if dense else None,
        normalise=normalised or similarity == "cosine",
    )
    return _opened(params, encoder, transformer, {"projection": dense.linear} if dense else {}, told, folder, target)


def open_multi_vector(folder: Path, target: Path) -> Opened:
    """Reads a model with one vector per token, compared by MaxSim. Raises CheckpointError."""
    encoder = _loaded(MultiVectorEncoder, folder)
    transformer, mask, dense, normalised = _sorted_modules(encoder, folder, TOKENS)
    if not isinstance(mask, MultiVectorMask) or mask.skiplist_tasks != ["document"] or mask.keep_only_token_ids:
        raise _refused(folder, "a mask of tokens other than passage words", "MultiVectorMask with skiplist_words")
    if dense is None:
        raise _refused(folder, "no Dense", "Dense over the tokens, without activation")
    if encoder.similarity_fn_name != "maxsim":
        raise _refused(folder, f"the similarity {encoder.similarity_fn_name}", "maxsim")
    expansion, told = transformer.query_expansion, _told(encoder, transformer)
    if expansion:
        if expansion["strategy"] != "fixed" or expansion["attend"] or expansion["token"] is not None:
            raise _refused(folder, f"query_expansion {expansion}", "[MASK] up to a fixed length, which nothing reads")
        told = Told(expansion["length"] - SINGLE, told.passage_length, told.query_prefix, told.passage_prefix)
    params = ColbertParams(
        layers=transformer.model.config.num_hidden_layers,
        dimension=dense.out_features,
        normalise=normalised,
        expand_queries=bool(expansion),
        skipped_tokens=_known_ids(encoder.tokenizer, mask.skiplist_words),
    )
    return _opened(params, encoder, transformer, {"projection": dense.linear}, told, folder, target)


def open_cross_encoder(folder: Path, target: Path) -> Opened:
    """Reads a model of pairs. Its activation is left out, so that scores are raw. Raises CheckpointError."""
    encoder = _loaded(CrossEncoder, folder)
    transformer, *others = encoder
    prompt = encoder.prompts.get(encoder.default_prompt_name or "") or ""
    told = Told(query_prefix=prompt)
    if not others and transformer.transformer_task == "sequence-classification":
        return classifier(transformer.model, encoder.tokenizer, folder, target, told)
    *pooling, head = others
    if not isinstance(head, Dense) or head.out_features != 1 or head.module_output_name != SCORES:
        raise _refused(folder, f"the last module {head}", "Dense with one score")
    _refuse_activation(head, folder)
    read = transformer.modality_config.get("text")
    if not pooling and read == _POOLER and transformer.module_output_name == SENTENCE:
        params = CatParams(layers=transformer.model.config.num_hidden_layers, pooling="pooler")
    elif len(pooling) == 1 and read == _STATES and getattr(pooling[0], "pooling_mode", None) == "cls":
        params = CatParams(layers=transformer.model.config.num_hidden_layers, pooling="cls")
    else:
        raise _refused(folder, f"the modules {_names(encoder)}", "a classifier, or Dense over [CLS] or the pooler")
    return _opened(params, encoder, transformer, {"head": head.linear}, told, folder, target, ("a", "b"))


def _loaded(kind: type[AnyEncoder], folder: Path) -> AnyEncoder:
    safely: dict[str, Any] = {"model_kwargs": {"use_safetensors": True}, "trust_remote_code": False}
    encoder: AnyEncoder = kind(str(folder), device="cpu", local_files_only=True, **safely)
    return encoder


def _sorted_modules(encoder: Encoder, folder: Path, read: str) -> tuple[Transformer, nn.Module, Dense | None, bool]:
    """The transformer, the module that pools or masks tokens, a Dense if there is one, and whether vectors are
    normalised.

    `read` is the name of what Dense and Normalize work on. Raises CheckpointError for another order or kind of modules.
    """
    modules: list[Any] = list(encoder)
    first, *others = modules
    dense = [module for module in others if isinstance(module, Dense)]
    normalise = [module for module in others if isinstance(module, Normalize)]
    rest = [module for module in others if not isinstance(module, Dense | Normalize)]
    whole = isinstance(first, Transformer) and first.modality_config.get("text") == _STATES and len(rest) == 1
    in_order = not (dense and normalise) or others.index(dense[0]) < others.index(normalise[0])
    places = {(module.module_input_name, module.module_output_name) for module in [*dense, *normalise]}
    if not whole or not in_order or len(dense) > 1 or places - {(read, read)}:
        raise _refused(folder, f"the modules {_names(encoder)}", "Transformer, Pooling, Dense and Normalize, in turn")
    if dense:
        _refuse_activation(dense[0], folder)
    return first, rest[0], dense[0] if dense else None, bool(normalise)


def _opened(
    params: DotParams | ColbertParams | CatParams,
    encoder: Encoder,
    transformer: Transformer,
    linear: dict[str, nn.Linear],
    told: Told,
    folder: Path,
    target: Path,
    texts: tuple[str, ...] = ("a",),
) -> Opened:
    tokenizer = saved_tokenizer(encoder.tokenizer, target)
    refuse_other_frame(tokenizer, folder, *texts)
    return Opened(params, transformer.model, tokenizer, linear, told)


def _told(encoder: SentenceTransformer | MultiVectorEncoder, transformer: Transformer) -> Told:
    query, passage = transformer.query_length, transformer.document_length
    return Told(
        query and query - SINGLE,
        passage and passage - SINGLE,
        _prompt(encoder, "query"),
        _prompt(encoder, "document", "passage", "corpus"),
    )


def _prompt(encoder: SentenceTransformer | MultiVectorEncoder, *names: str) -> str:
    """The first of these prompts that exists, which is the one that encode_query and encode_document take."""
    wanted = [*names, encoder.default_prompt_name or ""]
    return next((encoder.prompts[name] or "" for name in wanted if name in encoder.prompts), "")


def _known_ids(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[int]:
    """The ids of the words that are tokens."""
    ids = dict(zip(words, cast(list[int], tokenizer.convert_tokens_to_ids(list(words))), strict=True))
    return [number for word, number in ids.items() if number != tokenizer.unk_token_id or word == tokenizer.unk_token]


def _refuse_activation(dense: Dense, folder: Path) -> None:
    if not isinstance(dense.activation_function, nn.Identity) or dense.use_residual:
        raise _refused(folder, f"Dense with {dense.activation_function}", "Dense without activation and residual")


def _names(encoder: Encoder) -> str:
    return ", ".join(type(module).__name__ for module in encoder)


def _refused(folder: Path, got: str, expected: str) -> CheckpointError:
    return CheckpointError(
        folder, got=" ".join(got.split()), expected=expected, remedy="name another checkpoint, or import its scores"
    )
