"""What rankers are measured at: a test set, by re-ranking its candidates or by searching all passages."""

from collections.abc import Container, Iterable, Sequence

from distilrank.artifacts.layout import OWN

# Of the one test set that most collections have.
ONLY_SET = "test"
RERANK, RETRIEVE = "rerank", "retrieve"


def task_of(test_set: str, kind: str, test_sets: Sequence[str], evaluation: str = OWN) -> str:
    """The task's key in metrics: its kind, after the test set's name unless that is the only one, `test`.

    On a collection that models do not learn from: after its name, and the test set's where it has several.
    """
    if evaluation != OWN:
        return "/".join([evaluation, *([test_set] if len(test_sets) > 1 else []), kind])
    return kind if [test_set] == list(test_sets) == [ONLY_SET] else f"{test_set}/{kind}"


def kind_of(task: str) -> str:
    return task.rpartition("/")[2]


def is_reranking(task: str) -> bool:
    return kind_of(task) == RERANK


def test_set_of(task: str) -> str:
    """With the name of its collection before it, or in its place, where models do not learn from that."""
    return task.rpartition("/")[0] or ONLY_SET


def evaluation_of(task: str, evaluations: Container[str]) -> str:
    """The collection of a task, of these or the one that models learn from."""
    first = task.partition("/")[0]
    return first if first in evaluations else OWN


def title_of(task: str, first_stage: str) -> str:
    """`first_stage` names what found the candidates."""
    whose = "BM25's" if first_stage == "bm25" else "the given"
    title = f"Re-ranking {whose} candidates" if is_reranking(task) else "Searching the whole collection"
    return f"{title}: {test_set_of(task)}" if "/" in task else title


def primary(tasks: Iterable[str]) -> str:
    """The task that rankers are compared by where one figure must do: the first re-ranking."""
    return next(task for task in tasks if is_reranking(task))
