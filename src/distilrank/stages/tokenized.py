"""What tokenize and import-teacher share: the token ids of a whole collection."""

import numpy as np
import numpy.typing as npt

from distilrank.artifacts.directories import Draft
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import write_ragged
from distilrank.progress import progress
from distilrank.sections.data import Tokens


def write_token_store(draft: Draft, collection: Collection, tokenizer: TextTokenizer, tokens: Tokens) -> None:
    """Writes all but the tokenizer, and counts."""
    queries = collection.queries
    query_texts = [queries["text"].to_list()]
    for name, ids, texts, length, prefix in (
        ("queries", queries["query_id"], query_texts, tokens.query_length, tokens.query_prefix),
        (
            "passages",
            collection.passage_ids(),
            collection.passage_texts(),
            tokens.passage_length,
            tokens.passage_prefix,
        ),
    ):
        with progress(f"{name} tokenized", len(ids)) as advance:
            lengths = write_ragged(draft.path, name, ids, texts, tokenizer, length, advance, prefix)
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
