"""All rankers and systems of some params, measured as the stages do it one by one."""

from distilrank.config.derived import evaluated
from distilrank.config.params import Params
from distilrank.evaluation.measures import Means
from distilrank.stages.evaluate import evaluate
from distilrank.stages.metrics import metrics
from distilrank.stages.systems import systems


def measured(params: Params) -> Means:
    """By task, ranker and measure, the mean over the test queries."""
    for on, ranker in evaluated(params):
        evaluate(params, ranker, on)
    if params.systems:
        systems(params)
    return metrics(params)
