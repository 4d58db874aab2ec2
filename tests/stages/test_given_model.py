"""A teacher from elsewhere, of another vocabulary than its students', from its checkpoint to the report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from ruamel.yaml import YAML
from sentence_transformers import CrossEncoder
from tests.conftest import Command, write_graph_of
from tests.conversion.checkpoints import cross_encoder, saved, sentence_transformer
from tests.measuring import measured
from torch import nn

from distilrank.artifacts import layout
from distilrank.artifacts.files import sha256_of
from distilrank.check import check
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.errors import BackboneError, CheckpointError, InputError
from distilrank.stages.audit import audit
from distilrank.stages.import_model import import_model
from distilrank.stages.latency import latency
from distilrank.stages.report import report
from distilrank.stages.tokenize import tokenize

pytestmark = pytest.mark.slow(30)

Given = Callable[..., Params]


@pytest.fixture
def given(project: Path, tiny_params: Params) -> Given:
    """The tiny params with a given teacher alone, written to the project, with their graph."""

    def written(checkpoint: Path | str, start: str = "backbone", **section: Any) -> Params:
        values = tiny_params.model_dump(mode="json") | {"ensembles": {}}
        values["teachers"] = {"CE": {"checkpoint": str(checkpoint), **section}}
        values["students"] = {"dot": values["students"]["dot"] | {"start": start}}
        values["matrix"] |= {"teachers": ["CE"]}
        YAML(typ="safe", pure=True).dump(values, project / "params.yaml")
        write_graph_of(project)
        return Params.model_validate(values)

    return written


def test_a_cross_encoder_of_another_vocabulary_teaches_from_its_checkpoint_on(
    given: Given, project: Path, backbone: Path, tmp_path: Path, run_here: Command
) -> None:
    classifier = saved("roberta", backbone, tmp_path / "classifier", labels=1, max_position_embeddings=400)
    theirs = cross_encoder(classifier, tmp_path / "theirs")
    lengths = {"query_length": 60, "passage_length": 200}
    given(tmp_path / "theirs", sha256=sha256_of(tmp_path / "theirs" / "model.safetensors"), tokens=lengths)
    for words in (
        "check", "import-model CE", "score CE bm25", "distil dot", "distil dot --teacher CE", "encode dot",
        "encode dot-CE", "index dot-hnsw-CE", "quality", "export-scores labels/bm25/CE package",
    ):  # fmt: skip
        done = run_here(project, "distilrank", *words.split())
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert_scored_as_by(theirs, pl.read_parquet(layout.SCORES / "bm25" / "CE" / "*.parquet"), **lengths)
    params = read_params()
    metrics = measured(params)
    latency(params)
    audit(params)
    report(params)
    assert {"CE", "dot-CE"} <= metrics["rerank"].keys()
    page = layout.REPORT.read_text()
    assert "teacher, given, " in page and "dot-CE" in page
    assert "classifier of 2 layers, given by " in (project / "package" / "README.md").read_text()


def assert_scored_as_by(theirs: CrossEncoder, scored: pl.DataFrame, query_length: int, passage_length: int) -> None:
    """Of texts that none cuts."""
    tokens = TokenStore.open(layout.OWN_TOKENS / "CE")
    short = scored.filter(
        pl.Series(tokens.queries.lengths(tokens.query_rows(scored["query_id"])) < query_length),
        pl.Series(tokens.passages.lengths(tokens.passage_rows(scored["passage_id"])) < passage_length),
    )
    collection = Collection.read(layout.COLLECTION)
    texts = short.join(collection.queries, on="query_id", maintain_order="left").join(
        collection.texts_of(short["passage_id"].unique()), on="passage_id", maintain_order="left"
    )
    pairs = list(zip(texts["text"], texts["passage_text"], strict=True))
    assert pairs
    expected = theirs.predict(pairs, activation_fn=nn.Identity())
    np.testing.assert_allclose(short["score"].to_numpy(), expected, atol=1e-4, rtol=1e-4)


def test_a_given_teacher_reads_as_much_as_params_ask_and_its_prefix(
    given: Given, backbone: Path, tmp_path: Path
) -> None:
    encoder = saved("bert", backbone, tmp_path / "encoder")
    sentence_transformer(encoder, tmp_path / "theirs", prompts={"query": "find this: "})
    params = given(tmp_path / "theirs", tokens={"query_length": 5})
    tokenize(params)
    import_model(params, "CE")
    own, usual = TokenStore.open(layout.OWN_TOKENS / "CE"), TokenStore.open(layout.TOKENS)
    assert own.query_ids.equals(usual.query_ids) and own.passage_ids.equals(usual.passage_ids)
    # `find`, `this` and `:`, then the query's first two.
    assert own.queries[0].tolist()[3:] == usual.queries[0].tolist()[:2]
    assert own.passages[0].tolist() == usual.passages[0].tolist()


def test_the_usual_prefix_stands_before_every_text(given: Given, backbone: Path) -> None:
    values = given("minilm").model_dump() | {"tokens": {"query_length": 5, "query_prefix": "find this: "}}
    before = TokenStore.open(layout.TOKENS).queries[0].tolist()
    tokenize(Params.model_validate(values))
    assert TokenStore.open(layout.TOKENS).queries[0].tolist()[3:] == before[:2]


def test_a_student_cannot_start_from_a_teacher_of_another_vocabulary(
    given: Given, backbone: Path, tmp_path: Path
) -> None:
    params = given(saved("roberta", backbone, tmp_path / "theirs", labels=1), start="teacher")
    for refusing in (check, lambda params: import_model(params, "CE")):
        with pytest.raises(BackboneError, match=r"a vocabulary other than that of the tokens.*; set start: backbone"):
            refusing(params)


def test_a_student_starts_from_the_layers_of_a_given_teacher(
    given: Given, project: Path, backbone: Path, tmp_path: Path, run_here: Command
) -> None:
    given(saved("electra", backbone, tmp_path / "theirs", labels=1), start="teacher")
    for words in ("import-model CE", "score CE bm25", "distil dot --teacher CE"):
        done = run_here(project, "distilrank", *words.split())
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    backbones = [
        json.loads((layout.MODELS / name / "config.json").read_text())["backbone"]["model_type"]
        for name in ("CE", "dot-CE")
    ]
    assert backbones == ["electra", "electra"]


def test_a_given_teacher_has_the_layers_that_a_student_starts_from(
    given: Given, backbone: Path, tmp_path: Path
) -> None:
    folder = saved("bert", backbone, tmp_path / "theirs", labels=1)
    values = given(folder, start="teacher").model_dump()
    values["students"]["dot"]["ranker"]["layers"] = 3
    with pytest.raises(InputError, match=r"students.dot.start: got CE, which has 2 layers"):
        import_model(Params.model_validate(values), "CE")


def test_other_weights_than_those_of_the_params_are_refused(given: Given, backbone: Path, tmp_path: Path) -> None:
    folder = saved("bert", backbone, tmp_path / "theirs", labels=1)
    with pytest.raises(CheckpointError, match=r"got sha256 [0-9a-f]{64} of its model.safetensors, expected 0000"):
        import_model(given(folder, sha256="0" * 64), "CE")


def test_check_refuses_a_checkpoint_that_cannot_teach(given: Given, backbone: Path, tmp_path: Path) -> None:
    folder = saved("bert", backbone, tmp_path / "theirs", labels=2)
    with pytest.raises(CheckpointError, match=r"params.yaml: teachers.CE: .*theirs: got a classifier of 2 labels"):
        check(given(folder))


def test_one_that_reads_pairs_cannot_score_batches_or_search(given: Given, backbone: Path, tmp_path: Path) -> None:
    folder = saved("bert", backbone, tmp_path / "theirs", labels=1)
    values = given(folder).model_dump()
    values["students"]["dot"]["in_batch"] = {"teacher": "CE"}
    for refusing in (check, lambda params: import_model(params, "CE")):
        with pytest.raises(InputError, match=r"students.dot.in_batch.teacher: got CE, which is .*, expected one whose"):
            refusing(Params.model_validate(values))
    values = given(folder).model_dump()
    values["triples"]["few"] = {"from": ["CE"], "ranks": [1, 5]}
    with pytest.raises(InputError, match=r"triples.few.from: got CE, which is a sequence classifier"):
        check(Params.model_validate(values))


@pytest.mark.parametrize(
    ("file", "content"),
    [("modules.json", "[]"), ("modules.json", "{}"), ("modules.json", '[{"idx": 0}]'), ("config.json", "[]")],
)
def test_a_checkpoint_of_another_shape_is_refused(
    given: Given, backbone: Path, tmp_path: Path, file: str, content: str
) -> None:
    folder = saved("bert", backbone, tmp_path / "theirs", labels=1)
    (folder / file).write_text(content)
    with pytest.raises(CheckpointError, match=f"{file}: got JSON of another shape"):
        check(given(folder))


def test_a_prefix_leaves_room_for_a_text(given: Given) -> None:
    values = given("minilm").model_dump() | {"tokens": {"query_length": 4, "query_prefix": "find this one: "}}
    with pytest.raises(InputError, match=r"tokens.query_prefix: got 4 word pieces, expected fewer than"):
        tokenize(Params.model_validate(values))


def test_the_bundled_model_teaches_as_it_comes(given: Given) -> None:
    params = given("minilm")
    check(params)
    import_model(params, "CE")
    config = json.loads((layout.MODELS / "CE" / "config.json").read_text())
    assert (config["ranker"]["architecture"], config["ranker"]["normalise"]) == ("dot", True)
