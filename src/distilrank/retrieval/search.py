"""One query's answer from a dense ranker and its index."""

from pathlib import Path

import polars as pl
import torch

from distilrank.data.collection import Collection
from distilrank.data.runs import ranked
from distilrank.data.tokens import TextTokenizer
from distilrank.rankers.architectures import load_ranker
from distilrank.rankers.inputs import text_batch
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.vectors import one_vector


def search(query: str, model: Path, index: Path, collection: Path, depth: int) -> pl.DataFrame:
    """The best passages (passage_id, score, title, text), best first. Raises MissingInput."""
    found = DenseIndex.read(index)
    ranker, tokenizer = load_ranker(model), TextTokenizer(model)
    with torch.inference_mode():
        encoded = ranker.encode_queries(text_batch([query], ranker.config.query_length, tokenizer).to(ranker.device))
    run = ranked(found.search(pl.Series(["query"]), one_vector(encoded), depth)).drop("rank")
    passages = Collection.read(collection).passages.join(run.lazy(), on="passage_id", how="semi").collect()
    return run.join(passages, on="passage_id", how="left", maintain_order="left").drop("query_id")
