"""Topics of queries: k-means of their vectors (Hofstätter et al., arXiv 2104.06967, section 3.1)."""

import numpy as np
import torch

from distilrank.data.ragged import Rows
from distilrank.errors import TrainingError
from distilrank.retrieval.vectors import Vectors

_ROUNDS = 20


def topics_of(vectors: Vectors, count: int, seed: int) -> Rows:
    """The topic (vectors,) of each vector: the nearest of `count` centres, by cosine.

    The result is the same on each run. It is computed on as many threads as torch has. A topic may have no vector.
    Raises TrainingError for fewer vectors than topics.
    """
    import faiss

    if len(vectors) < count:
        raise TrainingError(
            "training.batches.topics",
            got=f"{count} topics for {len(vectors)} queries",
            expected="no more topics than queries",
            remedy="lower it, or set batches: null",
        )
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    clusters = faiss.Kmeans(
        vectors.shape[1], count, niter=_ROUNDS, seed=seed, spherical=True, min_points_per_centroid=1
    )
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        clusters.train(vectors)
        topics: Rows = clusters.assign(vectors)[1]
    finally:
        faiss.omp_set_num_threads(threads)
    return topics
