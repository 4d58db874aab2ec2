"""tokenize: the token ids of every query and passage, cut to the configured lengths."""

import numpy as np
import numpy.typing as npt

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.data.backbone import locate_backbone
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.data.tokens import write_ragged
from distilrank.progress import progress


def tokenize(params: Params) -> None:
    collection = Collection.read(layout.COLLECTION)
    backbone = locate_backbone(params.backbone)
    tokenizer = TextTokenizer(backbone)
    used = params.tokens.model_dump() | {"backbone": params.backbone.model_dump()}
    with whole_directory(layout.TOKENS, "distilrank tokenize", used, [layout.COLLECTION]) as draft:
        copy_tokenizer(backbone, draft.path)
        queries = collection.queries
        for name, ids, texts, length in (
            ("queries", queries["query_id"], [queries["text"].to_list()], params.tokens.query_length),
            ("passages", collection.passage_ids(), collection.passage_texts(), params.tokens.passage_length),
        ):
            with progress(f"{name} tokenized", len(ids)) as advance:
                lengths = write_ragged(draft.path, name, ids, texts, tokenizer, length, advance)
            draft.counts |= _counts(name, lengths, length)


def _counts(name: str, lengths: npt.NDArray[np.int64], length: int) -> dict[str, int]:
    """Of texts, and of their tokens: kept, and in each text before it was cut."""
    median, most = np.quantile(lengths, [0.5, 0.95], method="higher")
    return {
        name: len(lengths),
        f"{name} tokens": int(np.minimum(lengths, length).sum()),
        f"{name} cut": int((lengths > length).sum()),
        f"{name} tokens median": int(median),
        f"{name} tokens 95 % within": int(most),
        f"{name} tokens longest": int(lengths.max()),
    }
