"""What tokenize and import-model share: the token ids of a whole collection."""

import numpy as np
import numpy.typing as npt

from distilrank.artifacts.directories import Draft
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import write_ragged
from distilrank.errors import ParamsError
from distilrank.progress import progress
from distilrank.sections.data import Tokens


def write_token_store(draft: Draft, collection: Collection, tokenizer: TextTokenizer, tokens: Tokens) -> None:
    """Writes all but the tokenizer, and returns counts. Raises ParamsError for a prefix that leaves no room for a
    text."""
    _refuse_long_prefix("query", tokenizer, tokens.query_prefix, tokens.query_length)
    _refuse_long_prefix("passage", tokenizer, tokens.passage_prefix, tokens.passage_length)
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


def _refuse_long_prefix(side: str, tokenizer: TextTokenizer, prefix: str, length: int) -> None:
    (ids,) = tokenizer.ids([""], prefix)
    if len(ids) >= length:
        raise ParamsError(
            f"tokens.{side}_prefix",
            got=f"{len(ids)} word pieces",
            expected=f"fewer than tokens.{side}_length, {length}, which counts them",
            remedy=f"raise {side}_length",
        )


def _counts(name: str, lengths: npt.NDArray[np.int64], length: int) -> dict[str, int]:
    """Counts of texts and of their tokens: those kept, and those in each text before it was cut."""
    median, most = np.quantile(lengths, [0.5, 0.95], method="higher")
    return {
        name: len(lengths),
        f"{name} tokens": int(np.minimum(lengths, length).sum()),
        f"{name} cut": int((lengths > length).sum()),
        f"{name} tokens median": int(median),
        f"{name} tokens 95 % within": int(most),
        f"{name} tokens longest": int(lengths.max()),
    }
