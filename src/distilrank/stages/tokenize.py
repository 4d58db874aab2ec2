"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.stages.tokenized import write_token_store


def tokenize(params: Params) -> None:
    backbone = locate_backbone(params.backbone)
    used = params.tokens.model_dump() | {"backbone": params.backbone.model_dump()}
    with whole_directory(layout.TOKENS, "distilrank tokenize", used, [layout.COLLECTION]) as draft:
        copy_tokenizer(backbone, draft.path)
        write_token_store(draft, Collection.read(layout.COLLECTION), TextTokenizer(backbone), params.tokens)
