"""Tasks: a test set, and whether its candidates are re-ranked or all passages are searched."""

from collections.abc import Container, Iterable, Sequence

from distilrank.artifacts.layout import OWN

# The name of the one test set that most collections have.
ONLY_SET = "test"
RERANK, RETRIEVE = "rerank", "retrieve"


def task_of(test_set: str, kind: str, test_sets: Sequence[str], evaluation: str = OWN) -> str:
    """The task's key in metrics: its kind, after the test set's name unless `test` is the only set.

    On an entry of `evaluations`, the collection's name comes first, then the test set's if there are several.
    """
    if evaluation != OWN:
        return "/".join([evaluation, *([test_set] if len(test_sets) > 1 else []), kind])
    return kind if [test_set] == list(test_sets) == [ONLY_SET] else f"{test_set}/{kind}"


def kind_of(task: str) -> str:
    return task.rpartition("/")[2]


def is_reranking(task: str) -> bool:
    return kind_of(task) == RERANK


def test_set_of(task: str) -> str:
    """The test set in a task's key. On an entry of `evaluations`, with or as the name of that collection."""
    return task.rpartition("/")[0] or ONLY_SET


def evaluation_of(task: str, evaluations: Container[str]) -> str:
    """The collection of a task: one of `evaluations`, or else the one that models learn from."""
    first = task.partition("/")[0]
    return first if first in evaluations else OWN


def title_of(task: str, first_stage: str) -> str:
    """A task's title; `first_stage` names what found the candidates."""
    whose = "BM25's" if first_stage == "bm25" else "the given"
    title = f"Re-ranking {whose} candidates" if is_reranking(task) else "Searching the whole collection"
    return f"{title}: {test_set_of(task)}" if "/" in task else title


def primary(tasks: Iterable[str]) -> str:
    """The task that rankers are compared by if one figure must do: the first that re-ranks."""
    return next(task for task in tasks if is_reranking(task))
