"""The table of losses. Another package adds a loss as an entry point of the group `distilrank.losses`."""

from typing import TYPE_CHECKING

from distilrank.losses.base import Loss
from distilrank.losses.of_a_teacher import ListwiseKL, MarginMSE, MSERankNet, PointwiseMSE, WeightedRankNet
from distilrank.losses.of_labels import InfoNCE, LocalisedContrastive, RankNet
from distilrank.sections.tables import Table, one_of

LOSSES: Table[type[Loss]] = Table(
    "distilrank.losses",
    {
        "ranknet": RankNet,
        "infonce": InfoNCE,
        "lce": LocalisedContrastive,
        "margin-mse": MarginMSE,
        "mse": PointwiseMSE,
        "weighted-ranknet": WeightedRankNet,
        "mse-ranknet": MSERankNet,
        "listwise-kl": ListwiseKL,
    },
)

# A choice built from a table, which the type checker cannot know.
if TYPE_CHECKING:
    LabelLoss = Loss
    TeacherLoss = Loss
else:
    LabelLoss = one_of("name", {name: one for name, one in LOSSES.items() if not one.needs_teacher})
    TeacherLoss = one_of("name", {name: one for name, one in LOSSES.items() if one.needs_teacher})
