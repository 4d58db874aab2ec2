"""What `evaluate` measures, and what it refuses to."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from distilrank import layout
from distilrank.artifacts import whole_directory
from distilrank.data.tokens import TextTokenizer, copy_tokenizer
from distilrank.errors import ScoreError
from distilrank.params import Params
from distilrank.rankers.architectures import begin_ranker, load_ranker, pretrained
from distilrank.rankers.base import Ranker
from distilrank.stages.candidates import candidates
from distilrank.stages.evaluate import evaluate
from distilrank.stages.index import index


@pytest.fixture
def params(project: Path, backbone: Path, tiny_params: Params) -> Params:
    """Of a project with untrained students, of which `dot` searches; the re-ranking is 25 deep, the search 110."""
    values = tiny_params.model_dump()
    depths = {"candidates": values["candidates"] | {"depth": 110}, "evaluation": values["evaluation"] | {"depth": 25}}
    matrix = {"teachers": ["T3"], "controls": ["dot"], "indexes": ["dot"]}
    imports = {"T3": {"location": "scores.tsv", "checksum": None}}
    only_students = {"teachers": {}, "ensembles": {}, "imports": imports, "matrix": matrix}
    params = Params.model_validate(values | depths | only_students)
    candidates(params)
    for name in params.model_names():
        torch.manual_seed(len(name))
        source, tokenizer = pretrained(backbone), TextTokenizer(layout.TOKENS)
        ranker = params.students[name.removesuffix("-T3")].ranker
        write(name, begin_ranker(ranker, source, params.tokens, tokenizer))
    return params


def write(name: str, ranker: Ranker) -> None:
    with whole_directory(layout.MODELS / name, "a test", {"of": "this file"}, []) as draft:
        ranker.save_pretrained(draft.path)
        copy_tokenizer(layout.TOKENS, draft.path)
    if name.startswith("dot"):
        index(name)


def test_recall_of_all_that_is_re_ranked_is_left_out(params: Params) -> None:
    """Whatever a re-ranker does, the same 25 passages are in its run: Recall@100 would be the same for all."""
    metrics = evaluate(params)
    ranked = ["nDCG@10", "MRR@10", "MAP", "Recall@20"]
    for scores in metrics["rerank"].values():
        assert list(scores) == ranked
    for scores in metrics["retrieve"].values():
        assert list(scores) == [*ranked, "Recall@100"]
    assert json.loads(layout.METRICS.read_text()) == metrics
    values = pl.read_parquet(layout.RUNS / "measures.parquet")
    assert set(values.filter(task="rerank")["measure"]) == set(ranked)
    deeper = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"depth": 20})})
    assert "Recall@20" not in evaluate(deeper)["rerank"]["dot-T3"]


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("dot-T3", r"the vector of passage '\w+:\w+': got numbers that are not finite"),
        ("tk-T3", r"tk-T3: passage '\w+:\w+' of query '\w+:\w+': got the score nan, expected a finite number"),
    ],
)
def test_a_ranker_whose_scores_are_not_finite_is_refused(params: Params, name: str, refusal: str) -> None:
    before = evaluate(params)
    ranker = load_ranker(layout.MODELS / name)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(ScoreError, match=refusal):
        write(name, ranker)
        evaluate(params)
    assert json.loads(layout.METRICS.read_text()) == before
