"""Untrained rankers in a prepared project, so that it can be searched: in seconds, where trainings take minutes."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.model import Model
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.rankers.table import ARCHITECTURES
from distilrank.retrieval.dense import DenseIndex
from distilrank.sections.data import Tokens


def copy_of(prepared: Path, folders: pytest.TempPathFactory) -> Path:
    """A copy of the prepared project, to be changed."""
    directory = folders.mktemp("searchable") / "project"
    shutil.copytree(prepared, directory)
    return directory


def write_ranker(name: str, entry: dict[str, Any], backbone: Path, lengths: Tokens) -> None:
    """models/<name>: on the backbone's own layers, for the project's tokens."""
    params = ARCHITECTURES[entry["architecture"]].params.model_validate(entry)
    ranker = begin_ranker(params, pretrained(backbone), lengths, TextTokenizer(layout.TOKENS))
    with whole_directory(layout.MODELS / name, "a test", {}, []) as draft:
        ranker.save_pretrained(draft.path)
        copy_tokenizer(layout.TOKENS, draft.path)


def write_vectors(name: str) -> None:
    """vectors/<name>, of all passages."""
    passages = Collection.read(layout.COLLECTION)
    texts = [text for some in passages.passage_texts() for text in some]
    vectors = Model.load(layout.MODELS / name).encode_passages(texts)
    with whole_directory(layout.VECTORS / name, "a test", {}, [layout.TOKENS, layout.MODELS / name]) as draft:
        DenseIndex.build(vectors, passages.passage_ids()).write(draft.path)
