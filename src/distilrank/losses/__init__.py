"""Losses over groups of scores, of labels alone or of a teacher."""

from distilrank.losses.base import Loss, margins
from distilrank.losses.of_a_teacher import ListwiseKL, MarginMSE, MSERankNet, PointwiseMSE, WeightedRankNet
from distilrank.losses.of_labels import InfoNCE, RankNet

__all__ = [
    "InfoNCE",
    "ListwiseKL",
    "Loss",
    "MSERankNet",
    "MarginMSE",
    "PointwiseMSE",
    "RankNet",
    "WeightedRankNet",
    "margins",
]
