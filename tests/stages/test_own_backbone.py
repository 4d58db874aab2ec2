"""Teachers that are trained on backbones of another vocabulary than their students', as the paper's T2 has ALBERT."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.conftest import Command, write_graph_of
from tests.conversion.checkpoints import saved

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.model import Model

pytestmark = pytest.mark.slow(20)


@pytest.fixture
def own_words(project: Path, tiny_params: Params, backbone: Path, tmp_path: Path) -> Path:
    """The project, whose teachers read a byte-level BPE's tokens: T1 its triples, T1b its student's batches too."""
    values = tiny_params.model_dump(mode="json") | {"ensembles": {}}
    other = saved("roberta", backbone, tmp_path / "other", max_position_embeddings=100)
    for teacher in values["teachers"].values():
        teacher["backbone"] = {"model": str(other), "sha256": None, "own_vocabulary": True}
    values["students"] = {"dot": values["students"]["dot"] | {"in_batch": {"teacher": "T1b"}}}
    values["matrix"] |= {"teachers": ["T1"]}
    YAML(typ="safe", pure=True).dump(values, project / "params.yaml")
    write_graph_of(project)
    return project


def test_a_teacher_trains_on_tokens_of_its_own_and_teaches_students_of_others(
    own_words: Path, run_here: Command
) -> None:
    for words in (
        "check", "tokenize T1", "teach T1", "teach T1b", "score T1 bm25", "distil dot --teacher T1",
    ):  # fmt: skip
        done = run_here(own_words, "distilrank", *words.split())
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    usual, own = TokenStore.open(layout.TOKENS), TokenStore.open(layout.OWN_TOKENS / "T1")
    assert usual.passage_ids.equals(own.passage_ids)
    assert usual.special_tokens != own.special_tokens
    read = read_manifest(layout.MODELS / "dot-T1").inputs
    assert {"data/tokens", "models/T1b", "labels/bm25/T1"} <= read.keys()
    scored = pl.read_parquet(layout.SCORES / "bm25" / "T1" / "*.parquet").head(20)
    collection = Collection.read(layout.COLLECTION)
    texts = scored.join(collection.queries, on="query_id", maintain_order="left").join(
        collection.texts_of(scored["passage_id"].unique()), on="passage_id", maintain_order="left"
    )
    model = Model.load(layout.MODELS / "T1")
    again = [model.score(text, [passage])[0] for text, passage in texts.select("text", "passage_text").iter_rows()]
    np.testing.assert_allclose(scored["score"].to_numpy(), again, atol=1e-5)


def test_a_student_cannot_start_from_layers_that_read_other_words(own_words: Path, run_here: Command) -> None:
    params = YAML(typ="safe", pure=True)
    values = params.load(own_words / "params.yaml")
    values["students"]["dot"]["start"] = "teacher"
    params.dump(values, own_words / "params.yaml")
    write_graph_of(own_words)
    done = run_here(own_words, "distilrank", "check")
    assert done.returncode == 2
    assert "a vocabulary other than that of the tokens" in done.stderr


def test_another_vocabulary_is_declared(own_words: Path, run_here: Command) -> None:
    params = YAML(typ="safe", pure=True)
    values = params.load(own_words / "params.yaml")
    values["teachers"]["T1"]["backbone"]["own_vocabulary"] = False
    params.dump(values, own_words / "params.yaml")
    write_graph_of(own_words)
    done = run_here(own_words, "distilrank", "check")
    assert done.returncode == 2
    assert "teachers.T1: " in done.stderr
    assert "set own_vocabulary of its backbone" in done.stderr


def test_one_vocabulary_is_tokenized_once(own_words: Path, run_here: Command) -> None:
    done = run_here(own_words, "distilrank", "tokenize", "dot")
    assert done.returncode == 2
    assert "expected one of ['T1']" in done.stderr
