"""The student that the dev queries chose and, without labels by people, a sentence on what it reaches."""

from collections.abc import Mapping
from itertools import product

from distilrank.config.derived import start_of
from distilrank.config.names import distilled_name
from distilrank.config.params import Params
from distilrank.data.pseudo_queries import PSEUDO
from distilrank.data.sources.clicked import CLICKED
from distilrank.evaluation.tasks import RERANK, is_reranking, primary, test_set_of
from distilrank.results.by_teacher import Means
from distilrank.training.history import History


def chosen_student(params: Params, histories: Mapping[str, History]) -> tuple[str, str]:
    """The student, with its teacher, that re-ranked the dev queries best. The test queries choose nothing."""
    pairs = product(params.students, params.matrix.teachers)
    return max(pairs, key=lambda pair: histories[distilled_name(*pair)].at_best(RERANK))


def at_a_glance(params: Params, metrics: Mapping[str, Means], histories: Mapping[str, History]) -> str | None:
    """A sentence that compares the chosen student with the first stage and with its start, in re-ranking.

    It tells of the first test set that people labelled, if there is one. None if people labelled the training and test
    queries too.
    """
    if not (params.pseudo_queries or test_set_of(primary(metrics)) == CLICKED):
        return None
    labelled = (task for task in metrics if is_reranking(task) and test_set_of(task) not in (PSEUDO, CLICKED))
    task = next(labelled, primary(metrics))
    pair, measure = chosen_student(params, histories), params.evaluation.primary
    names = [distilled_name(*pair), params.candidates.first_stage(), start_of(params, *pair).name]
    student, *others = (f"{name} reaches {metrics[task][name][measure]:.3f}" for name in names if name in metrics[task])
    told = f"{student} {measure} in re-ranking, {', '.join(others)} without training"
    test_set = test_set_of(task)
    if test_set == CLICKED:
        return (
            f"On held-out queries with clicks, {told}. Nobody judged passages, and users click on what they are shown."
        )
    if test_set != PSEUDO:
        source = "queries made of passages" if params.pseudo_queries else "clicks"
        return f"On queries that people asked ({test_set}), {told}. It learned from {source}."
    return f"On queries made of passages held out, {told}. Nobody asked them, and their words favour lexical search."
