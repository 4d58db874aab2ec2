"""Learning rates: one for the ranker, and one of its own for each part that params.yaml names."""

from typing import Any

from distilrank.rankers.base import Ranker
from distilrank.sections.training import Training


def parameter_groups(ranker: Ranker, params: Training) -> list[dict[str, Any]]:
    """The optimiser's groups: all that learns at `learning_rate`, then each part with a rate of its own."""
    parts = ranker.parts()
    own = [{"params": parts[name], "lr": rate} for name, rate in params.part_learning_rates.items()]
    taken = {parameter for name in params.part_learning_rates for parameter in parts[name]}
    rest = [parameter for parameter in ranker.parameters() if parameter not in taken]
    return [{"params": rest, "lr": params.learning_rate}, *own]
