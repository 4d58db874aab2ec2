"""The results of searches: hits with their texts, and a model's run of many queries."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from distilrank.data.collection import Collection
from distilrank.data.runs import Hit, write_trec
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.retrieval.updated import put_passages

if TYPE_CHECKING:
    from distilrank.model import Model


def with_texts(hits: Sequence[Hit], collection: Path, updated: Path | None = None) -> pl.DataFrame:
    """Hits with their texts, in the given order (passage_id, score, title, text). Those of an `updated` index have the
    texts that updates put, where they did. Raises MissingInput."""
    schema = {"passage_id": pl.String, "score": pl.Float64}
    table = pl.DataFrame([hit.model_dump() for hit in hits], schema)
    known = [*([put_passages(updated)] if updated else []), Collection.read(collection).passages]
    some = pl.concat(passages.join(table.lazy(), on="passage_id", how="semi") for passages in known).collect()
    texts = some.unique("passage_id", keep="first", maintain_order=True)
    return table.join(texts, on="passage_id", how="left", maintain_order="left")


def write_run(
    model: "Model",
    name: str,
    tokens: Path,
    queries: pl.DataFrame,
    target: Path,
    depth: int,
    exclude_identical_ids: bool = False,
) -> int:
    """Writes the best `depth` passages of each query as a TREC run called `name`, and returns the number of its lines.

    Raises MissingInput, and InputError if there are no queries or if `target` exists.
    """
    if queries.is_empty():
        raise InputError("retrieve", got="no queries", expected="a split that has some", remedy="name another --split")
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new file", remedy="name another target")
    run = model.retrieve(TokenStore.open(tokens), queries["query_id"], depth, exclude_identical_ids)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.partial")
    write_trec(run, draft, name)
    draft.rename(target)
    return len(run)
