"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import own_vocabularies
from distilrank.config.entries import entry_named
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.stages.tokenized import write_token_store


def tokenize(params: Params, name: str | None = None) -> None:
    """Writes data/tokens/; for an entry whose backbone has a vocabulary of its own, data/own-tokens/<name>/.

    Raises ParamsError for another entry.
    """
    backbone = entry_named(own_vocabularies(params), "own_vocabulary", name) if name else params.backbone
    target = layout.OWN_TOKENS / name if name else layout.TOKENS
    folder = locate_backbone(backbone)
    used = params.tokens.model_dump() | {"backbone": backbone.model_dump()}
    made_by = " ".join(["distilrank tokenize", *([name] if name else [])])
    with whole_directory(target, made_by, used, [layout.COLLECTION]) as draft:
        copy_tokenizer(folder, draft.path)
        write_token_store(draft, Collection.read(layout.COLLECTION), TextTokenizer(folder), params.tokens)
