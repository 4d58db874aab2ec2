"""The table of losses. Another package adds a loss as an entry point of the group `distilrank.losses`."""

from distilrank.losses.base import Loss
from distilrank.losses.of_a_teacher import ListwiseKL, MarginMSE, MSERankNet, PointwiseMSE, WeightedRankNet
from distilrank.losses.of_labels import InfoNCE, LocalisedContrastive, RankNet
from distilrank.sections.tables import Table

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
