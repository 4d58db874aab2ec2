"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

from distilrank import layout
from distilrank.artifacts import whole_directory
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokens import TextTokenizer, copy_tokenizer, write_ragged
from distilrank.params import Params


def tokenize(params: Params) -> None:
    collection = Collection.read(layout.COLLECTION)
    backbone = locate_backbone(params.backbone)
    tokenizer = TextTokenizer(backbone)
    used = params.tokens.model_dump() | {"backbone": params.backbone.model_dump()}
    with whole_directory(layout.TOKENS, "distilrank tokenize", used, [layout.COLLECTION]) as draft:
        copy_tokenizer(backbone, draft.path)
        for name, ids, texts, length in (
            (
                "queries",
                collection.queries["query_id"],
                collection.queries["text"].to_list(),
                params.tokens.query_length,
            ),
            ("passages", collection.passages["passage_id"], collection.passage_texts(), params.tokens.passage_length),
        ):
            draft.counts[name] = len(ids)
            draft.counts[f"{name} tokens"] = write_ragged(draft.path, name, ids, texts, tokenizer, length)
