"""Losses over groups of scores, from labels alone or from a teacher."""

from distilrank.losses.base import Loss, margins, mean
from distilrank.losses.of_a_teacher import ListwiseKL, MarginMSE, MSERankNet, PointwiseMSE, WeightedRankNet
from distilrank.losses.of_labels import InfoNCE, LocalisedContrastive, RankNet

__all__ = [
    "InfoNCE",
    "ListwiseKL",
    "LocalisedContrastive",
    "Loss",
    "MSERankNet",
    "MarginMSE",
    "PointwiseMSE",
    "RankNet",
    "WeightedRankNet",
    "margins",
    "mean",
]
