"""Systems by their names, on a built project: BM25, a dense model's index, and a re-ranker over BM25."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.conftest import Command
from tests.searchable import copy_of, write_ranker, write_vectors

from distilrank.artifacts import layout
from distilrank.config.evaluation_alone import read_evaluation
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError, ParamsError
from distilrank.model import Model
from distilrank.searching import LONGEST_QUERY, Searchers, refuse_query
from distilrank.serving.search.answers import SearchAnswers

QUERY = "delete a bucket"


@pytest.fixture(scope="module")
def built(
    prepared: Path, backbone: Path, tiny_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A project, and the working directory, with a dense student, its index, and a cross-encoder."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(copy_of(prepared, tmp_path_factory))
        write_ranker("dot-T1", {"architecture": "dot", "layers": 1, "pooling": "mean"}, backbone, tiny_params.tokens)
        write_ranker("T1", {"architecture": "cat", "layers": 1}, backbone, tiny_params.tokens)
        write_vectors("dot-T1")
        yield


def test_the_systems_are_what_is_built_here(built: None) -> None:
    assert Searchers(read_params).names() == ["bm25", "T1", "dot-T1"]


def test_the_usual_system_is_one_that_is_built(built: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a student whose passages are not encoded yet, it is BM25."""
    searchers = Searchers(read_params)
    assert searchers.usual() == "dot-T1"
    (layout.VECTORS / "dot-T1").rename(tmp_path / "dot-T1")
    try:
        assert searchers.usual() == "bm25"
    finally:
        (tmp_path / "dot-T1").rename(layout.VECTORS / "dot-T1")


@pytest.mark.parametrize(("minimum", "lowest"), [(1, 1), (2, 2), ({"test": 2}, 2), ({"other": 2}, 1)], ids=str)
def test_relevant_is_what_the_params_say(built: None, minimum: int | dict[str, int], lowest: int) -> None:
    evaluation = read_params().evaluation.model_copy(update={"minimum_relevance": minimum})
    params = read_params().model_copy(update={"evaluation": evaluation})
    collection = Collection.read(layout.COLLECTION)
    text = collection.test_qrels().join(collection.queries, on="query_id")["text"][0]
    answers = SearchAnswers(Searchers(lambda: params)).answers(text, ["bm25"], 5)
    assert answers.lowest == lowest and answers.highest == 1
    assert answers.known is not None and (answers.known > 0) == (lowest == 1)


def test_the_first_answer_of_the_page_waits_for_nothing_that_bm25_does_not_need(built: None) -> None:
    """Also for a query with qrels, whose lowest relevant grade the params say."""
    collection = Collection.read(layout.COLLECTION)
    asked = collection.test_qrels().join(collection.queries, on="query_id")["text"][0]
    code = (
        "import sys; from distilrank.searching import Searchers; from distilrank.serving.search.app import search_app;"
        "from distilrank.serving.search.answers import SearchAnswers;"
        "from distilrank.config.evaluation_alone import read_evaluation;"
        "answers = SearchAnswers(Searchers(None, read_evaluation=read_evaluation)); search_app(answers, []);"
        f"assert answers.answers({asked!r}, ['bm25'], 5).known; print(*sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "transformers", "faiss", "scipy", "sklearn", "distilrank.config.params"}.isdisjoint(told)


def test_the_section_evaluation_is_read_as_with_the_others(built: None, tmp_path: Path) -> None:
    assert read_evaluation() == read_params().evaluation
    (faulty := tmp_path / "params.yaml").write_text(Path("params.yaml").read_text() + "unknown: 1\n")
    assert read_evaluation(faulty) == read_evaluation()
    faulty.write_text("evaluation: {depth: 1}\n")
    with pytest.raises(ParamsError, match=r"evaluation.depth: got 1, expected"):
        read_evaluation(faulty)


def test_bm25_finds_what_it_found_as_candidates(built: None) -> None:
    candidates = pl.read_parquet(layout.CANDIDATES / "candidates.parquet").filter(pl.col("rank") <= 10)
    query_id, text = Collection.read(layout.COLLECTION).queries_of("test").select("query_id", "text").row(0)
    expected = candidates.filter(pl.col("query_id") == query_id).sort("rank")
    hits = Searchers(read_params).load("bm25").search(text, 10)
    assert [hit.score for hit in hits] == pytest.approx(expected["score"].to_list())
    assert {hit.passage_id for hit in hits} == set(expected["passage_id"])


def test_a_dense_model_searches_all_passages(built: None) -> None:
    hits = Searchers(read_params).load("dot-T1").search(QUERY, 5)
    best = Model.load(layout.MODELS / "dot-T1", layout.VECTORS / "dot-T1").search(QUERY, 5)
    assert hits == best


@pytest.mark.parametrize("depth", [3, 15])
def test_any_other_model_re_ranks_bm25s_best(built: None, depth: int) -> None:
    """As many as are measured, ten, or as are asked for."""
    searchers = Searchers(read_params)
    hits = searchers.load("T1").search(QUERY, depth)
    first = [hit.passage_id for hit in searchers.load("bm25").search(QUERY, max(depth, 10))]
    tokens = TokenStore.open(layout.TOKENS)
    scores = Model.load(layout.MODELS / "T1").score_tokens(
        QUERY, tokens.passages, tokens.passage_rows(pl.Series(first))
    )
    best = np.sort(scores)[::-1][:depth]
    np.testing.assert_allclose([hit.score for hit in hits], best, rtol=1e-5)
    assert {hit.passage_id for hit in hits} <= set(first)


def test_a_query_that_no_passage_shares_a_term_with_finds_nothing(built: None) -> None:
    searchers = Searchers(read_params)
    assert searchers.load("bm25").search("xyzzy", 5) == searchers.load("T1").search("xyzzy", 5) == []
    assert len(searchers.load("dot-T1").search("xyzzy", 5)) == 5


def test_what_cannot_be_asked_is_refused(built: None) -> None:
    with pytest.raises(InputError, match=r"got system 'T9', expected one of \['bm25', 'T1', "):
        Searchers(read_params).load("T9")
    with pytest.raises(InputError, match="got an empty query"):
        refuse_query(" \n")
    refuse_query("a" * LONGEST_QUERY)
    with pytest.raises(InputError, match="expected at most 2,000"):
        refuse_query("a" * (LONGEST_QUERY + 1))


def test_the_command_asks_any_system(built: None, run_here: Command) -> None:
    for words, name in (([], "dot-T1"), (["--system", "bm25"], "bm25"), (["--model", "T1"], "T1")):
        done = run_here(Path.cwd(), "distilrank", "search", "delete [/bold] bucket", "--depth", "2", *words)
        assert done.returncode == 0, done.stderr
        assert f"delete [/bold] bucket  ({name})" in done.stdout
