"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.derived import own_stores, own_vocabularies
from distilrank.config.entries import entry_named
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.sections.data import Tokens
from distilrank.stages.tokenized import write_token_store


def tokenize(params: Params, name: str | None = None) -> None:
    """Writes data/tokens/; for an entry whose backbone has a vocabulary of its own, data/own-tokens/<name>/.

    Raises ParamsError for another entry.
    """
    backbone = entry_named(own_vocabularies(params), "own_vocabulary", name) if name else params.backbone
    target = layout.OWN_TOKENS / name if name else layout.TOKENS
    folder = locate_backbone(backbone)
    used = params.tokens.model_dump() | {"backbone": backbone.model_dump()}
    with whole_directory(target, _command(name), used, [layout.COLLECTION]) as draft:
        copy_tokenizer(folder, draft.path)
        write_token_store(draft, Collection.read(layout.COLLECTION), TextTokenizer(folder), params.tokens)


def tokenize_other(params: Params, evaluation: str, name: str | None = None) -> None:
    """Writes the tokens of another collection that models are measured on. It uses the tokenizer, lengths and prefixes
    of the store of the collection that they learn from, so that given models have their own too.

    Raises ParamsError for an unknown entry, MissingInput if that store is absent.
    """
    params.evaluation_named(evaluation)
    if name:
        entry_named(dict.fromkeys(own_stores(params)), "entries with tokens of their own", name)
    like, there = layout.places_of(layout.OWN), layout.places_of(evaluation)
    made_like, target = (like.own_tokens / name, there.own_tokens / name) if name else (like.tokens, there.tokens)
    told = read_manifest(made_like).params
    tokens = Tokens(**{key: told[key] for key in Tokens.model_fields})
    made_by = f"{_command(name)} --on {evaluation}"
    with whole_directory(target, made_by, tokens.model_dump(), [there.collection, made_like]) as draft:
        copy_tokenizer(made_like, draft.path)
        write_token_store(draft, Collection.read(there.collection), TextTokenizer(made_like), tokens)


def _command(name: str | None) -> str:
    return " ".join(["distilrank tokenize", *([name] if name else [])])
