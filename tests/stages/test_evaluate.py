"""What `evaluate` measures, and what it refuses to."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from tests.measuring import measured

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.cli.main import app
from distilrank.config.derived import model_names
from distilrank.config.params import Params
from distilrank.data.runs import read_trec
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import ScoreError
from distilrank.rankers.base import Ranker
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.encode import encode
from distilrank.stages.evaluate import evaluate
from distilrank.stages.tokenize import tokenize

pytestmark = pytest.mark.slow(30)


def of_students(tiny: Params, **changes: Any) -> Params:
    """The tiny params without a teacher; re-ranking is 25 deep, search 110."""
    values = tiny.model_dump() | {"teachers": {}, "ensembles": {}} | changes
    values["imports"] = {"T3": {"location": "scores.tsv", "checksum": None}}
    values["matrix"] = values["matrix"] | {"teachers": ["T3"]}
    values["candidates"] |= {"depth": 110}
    values["evaluation"] |= {"depth": 25}
    return Params.model_validate(values)


def write_untrained(params: Params, backbone: Path) -> None:
    """Every model that the params name, and the indexes of those that search."""
    for name in model_names(params):
        torch.manual_seed(len(name))
        source, tokenizer = pretrained(backbone), TextTokenizer(layout.TOKENS)
        ranker = params.students[name.removesuffix("-T3")].ranker
        write(params, name, begin_ranker(ranker, source, params.tokens, tokenizer))


def write(params: Params, name: str, ranker: Ranker) -> None:
    with whole_directory(layout.MODELS / name, "a test", {"of": "this file"}, []) as draft:
        ranker.save_pretrained(draft.path)
        copy_tokenizer(layout.TOKENS, draft.path)
    if name.startswith("dot"):
        encode(params, name)


@pytest.fixture(scope="module")
def evaluated(prepared: Path, backbone: Path, tiny_params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose students are there, untrained, and measured; not to be changed."""
    directory = tmp_path_factory.mktemp("evaluated") / "project"
    shutil.copytree(prepared, directory)
    params = of_students(tiny_params)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(directory)
        candidates(params)
        write_untrained(params, backbone)
        measured(params)
    return directory


@pytest.fixture
def params(evaluated: Path, tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Of a copy of that project, the working directory."""
    shutil.copytree(evaluated, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return of_students(tiny_params)


def test_recall_of_all_that_is_re_ranked_is_left_out(params: Params) -> None:
    """Whatever a re-ranker does, the same 25 passages are in its run: R@100 would be the same for all."""
    metrics = json.loads(layout.METRICS.read_text())
    ranked = ["nDCG@10", "RR@10", "AP@1000", "R@20"]
    for scores in metrics["rerank"].values():
        assert list(scores) == ranked
    for scores in metrics["retrieve"].values():
        assert list(scores) == [*ranked, "R@100"]
    values = pl.read_parquet(layout.MEASURES)
    assert set(values.filter(task="rerank")["measure"]) == set(ranked)
    deeper = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"depth": 20})})
    metrics = measured(deeper)
    assert "R@20" not in metrics["rerank"]["dot-T3"]
    assert json.loads(layout.METRICS.read_text()) == metrics


def test_re_ranking_by_stored_vectors_has_the_evaluations_precision(params: Params) -> None:
    """Searches are as exact as they are when somebody asks a server."""
    exact = {kind: read_trec(layout.run_of("dot-T3", kind)) for kind in ("rerank", "retrieve")}
    rounded = params.evaluation.model_copy(update={"precision": "bfloat16"})
    evaluate(params.model_copy(update={"evaluation": rounded}), "dot-T3", layout.OWN)
    assert read_trec(layout.run_of("dot-T3", "retrieve")).equals(exact["retrieve"])
    both = exact["rerank"].join(read_trec(layout.run_of("dot-T3", "rerank")), on=["query_id", "passage_id"])
    assert len(both) == len(exact["rerank"])
    apart = (both["score"] - both["score_right"]).abs() / both["score"].abs()
    assert 0 < apart.max() < 0.02


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("dot-T3", r"the vector of passage '\w+:\w+': got numbers that are not finite"),
        ("tk-T3", r"tk-T3: passage '\w+:\w+' of query '\w+:\w+': got the score nan, expected a finite number"),
    ],
    ids=["searching", "re-ranking"],
)
def test_a_ranker_whose_scores_are_not_finite_is_refused(params: Params, name: str, refusal: str) -> None:
    before = json.loads(layout.METRICS.read_text())
    ranker = load_ranker(layout.MODELS / name)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(ScoreError, match=refusal):
        write(params, name, ranker)
        measured(params)
    assert json.loads(layout.METRICS.read_text()) == before


def write_arguments(folder: Path) -> None:
    """As ArguAna is: each query is a passage, of the same id; its answer is the passage of the other side."""
    (folder / "qrels").mkdir(parents=True)
    texts = [f"topic{n} matter{n} question{n} {side}" for n in range(8) for side in ("good", "bad")]
    texts += [f"about {number} and the {number + 1} others" for number in range(120)]
    rows = [json.dumps({"_id": f"{number:03}", "title": "", "text": text}) for number, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text("\n".join(rows[:16]))
    qrels = [f"{number:03}\t{number ^ 1:03}\t1" for number in range(16)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *qrels]))


def test_a_query_that_is_a_passage_does_not_find_itself(
    tmp_path: Path, backbone: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_arguments(tmp_path / "arguments")
    section = {"source": "beir", "location": "arguments", "splits": {"test": "test"}}
    params = of_students(tiny_params, collection=section)
    kept = of_students(tiny_params, collection=section | {"exclude_identical_ids": False})
    for stage in (collect, tokenize):
        stage(params)
    write_untrained(params, backbone)
    runs, reciprocal = {}, {}
    for name, one in {"apart": params, "kept": kept}.items():
        candidates(one)
        metrics = measured(one)
        files = layout.RUNS.rglob("*.trec")
        runs[name] = {f"{file.parent.name}/{file.name}": read_trec(file) for file in files}
        reciprocal[name] = {task: metrics[task]["bm25"]["RR@10"] for task in metrics}
    # BM25 finds the query itself, then the other side.
    assert reciprocal == {"apart": {"rerank": 1, "retrieve": 1}, "kept": {"rerank": 0.5, "retrieve": 0.5}}
    # Of BM25, the backbone, dot's start and its two models, by re-ranking and by searching; of tk's start and model.
    assert len(runs["apart"]) == 12
    for name, run in runs["apart"].items():
        own = pl.col("query_id") == pl.col("passage_id")
        assert run.filter(own).is_empty() and runs["kept"][name].filter(own).height == 16, name
    found = runs["apart"]["dot/retrieve.trec"]
    assert found.group_by("query_id").len()["len"].to_list() == [110] * 16
    (tmp_path / "params.yaml").write_text(json.dumps(params.model_dump()))
    app(["retrieve", "dot", "found.trec", "--split", "test", "--depth", "110"], standalone_mode=False)
    assert read_trec(tmp_path / "found.trec").equals(found)
