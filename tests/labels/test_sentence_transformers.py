"""sentence-transformers itself: what it mines is taken in, and what is written it learns from."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.labels.test_exports import T1, write_labels

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.collection import TRAIN, Collection
from distilrank.labels.labels import read_labels
from distilrank.labels.package import export_scores
from distilrank.stages.import_scores import import_scores

pytestmark = pytest.mark.slow(10)


def test_sentence_transformers_learns_from_it(project: Path, tiny_params: Params) -> None:
    """As datasets loads it: MarginMSE of passages that score as the teacher has them is none."""
    import torch
    from datasets import load_dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    labels = write_labels([3.0, 1.5, -2.0], 2, tiny_params)
    export_scores(T1, project / "st", "unknown", False, "sentence-transformers")
    for kind, file in (("json", "scores.jsonl"), ("parquet", "scores.parquet")):
        rows = load_dataset(
            kind, data_files=str(project / "st" / file), split="train", cache_dir=str(project / "cache")
        )
        assert rows.column_names == ["query", "positive", "negative_1", "negative_2", "scores"]
        assert len(rows) == len(labels)
    texts = dict(Collection.read(layout.COLLECTION).texts_of(labels["positive_id"]).iter_rows())
    assert rows["positive"] == [texts[passage] for passage in labels["positive_id"]]
    of_teacher = torch.tensor(rows["scores"])
    queries = torch.ones(len(rows), 1)
    loss = MarginMSELoss(SentenceTransformer(modules=[torch.nn.Identity()]))
    passages = [of_teacher[:, [place]] for place in range(3)]
    assert loss.compute_loss_from_embeddings([queries, *passages], of_teacher) == 0


def test_what_it_mines_is_taken_in(project: Path, tiny_params: Params, backbone: Path) -> None:
    """In each of its formats, scored by a model of its own: the same triples with the same scores."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from sentence_transformers.util import mine_hard_negatives
    from tokenizers import Tokenizer

    model = SentenceTransformer(
        modules=[StaticEmbedding(Tokenizer.from_file(str(backbone / "tokenizer.json")), embedding_dim=32)], device="cpu"
    )
    collection = Collection.read(layout.COLLECTION)
    relevant = collection.qrels_of(TRAIN).head(20)
    pairs = relevant.join(collection.queries, on="query_id", maintain_order="left").join(
        collection.texts_of(relevant["passage_id"]), on="passage_id", maintain_order="left"
    )
    columns = {"anchor": pairs["text"].to_list(), "positive": pairs["passage_text"].to_list()}
    corpus = next(collection.passage_texts())

    def mined(output_format: str) -> pl.DataFrame:
        rows: Any = mine_hard_negatives(
            Dataset.from_dict(columns), model, corpus=corpus, num_negatives=3, output_format=output_format,
            output_scores=True, verbose=False,
        )  # fmt: skip
        rows.to_parquet("mined.parquet")
        imports = {"T9": {"location": "mined.parquet", "checksum": None, "form": "sentence-transformers"}}
        import_scores(Params.model_validate(tiny_params.model_dump() | {"imports": imports}), "T9")
        return read_labels(layout.LABELS / "imported" / "T9").sort("query_id", "positive_id", "negative_ids")

    triplets = mined("triplet")
    assert len(triplets) == 3 * len(pairs)
    assert set(triplets["positive_id"]) <= set(relevant["passage_id"])
    for output_format in ("n-tuple", "labeled-list", "labeled-pair"):
        assert mined(output_format).equals(triplets), output_format
