"""Keys and titles of tasks."""

import pytest

from distilrank.evaluation import tasks


@pytest.mark.parametrize(
    ("test_set", "test_sets", "key"),
    [
        ("test", ["test"], "rerank"),
        ("dl19", ["dl19"], "dl19/rerank"),
        ("dl19", ["dl19", "dl20"], "dl19/rerank"),
        ("test", ["dl19", "test"], "test/rerank"),
        ("dl19", ["test"], "dl19/rerank"),
    ],
)
def test_only_the_set_test_alone_goes_without_its_name(test_set: str, test_sets: list[str], key: str) -> None:
    assert tasks.task_of(test_set, "rerank", test_sets) == key
    assert tasks.test_set_of(key) == test_set
    assert tasks.is_reranking(key)
    assert not tasks.is_reranking(tasks.task_of(test_set, "retrieve", test_sets))


@pytest.mark.parametrize(
    ("task", "first_stage", "title"),
    [
        ("rerank", "bm25", "Re-ranking BM25's candidates"),
        ("rerank", "given", "Re-ranking the given candidates"),
        ("dl19/rerank", "bm25", "Re-ranking BM25's candidates: dl19"),
        ("retrieve", "bm25", "Searching the whole collection"),
        ("dl19/retrieve", "given", "Searching the whole collection: dl19"),
    ],
)
def test_titles(task: str, first_stage: str, title: str) -> None:
    assert tasks.title_of(task, first_stage) == title


def test_rankers_are_compared_by_re_ranking_the_first_set() -> None:
    assert tasks.primary(["dl19/retrieve", "dl19/rerank", "dl20/rerank"]) == "dl19/rerank"
