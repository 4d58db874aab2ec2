"""How passage vectors are searched. Another package adds a kind as an entry point of the group `distilrank.indexes`."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from distilrank.retrieval.drawn import drawn_at_the_cut
from distilrank.sections.base import Section
from distilrank.sections.tables import Table

if TYPE_CHECKING:
    import faiss

    from distilrank.retrieval.vectors import Vectors


class IndexKind(Section):
    """An entry `index` of params.yaml. Importing it imports no Faiss."""

    kind: str
    """Which one."""

    @abstractmethod
    def built(self, vectors: "Vectors") -> "faiss.Index | None":
        """A Faiss index by inner product over vectors (passages, width); None where these are searched themselves."""

    @abstractmethod
    def rows(
        self, index: "faiss.Index | None", vectors: "Vectors", queries: "Vectors", depth: int
    ) -> npt.NDArray[np.int64]:
        """The rows (queries, depth) that it finds for each query, -1 where it finds fewer."""


class Flat(IndexKind):
    """Exact: every vector is compared."""

    kind: Literal["flat"] = "flat"

    def built(self, vectors: "Vectors") -> None:
        return None

    def rows(
        self, index: "faiss.Index | None", vectors: "Vectors", queries: "Vectors", depth: int
    ) -> npt.NDArray[np.int64]:
        import faiss

        # One more than asked for shows whether the cut parts passages that tie.
        deep = min(depth + 1, len(vectors))
        scores, rows = faiss.knn(queries, vectors, deep, metric=faiss.METRIC_INNER_PRODUCT)
        return drawn_at_the_cut(vectors, queries, rows, scores) if deep > depth else rows


class Hnsw(IndexKind):
    """Approximate: a graph of neighbours (Malkov and Yashunin, arXiv 1603.09320) over float16 vectors."""

    kind: Literal["hnsw"] = "hnsw"

    links: int = Field(ge=2, default=32)
    """Of each vector. More find more, and take more time and memory."""

    build_width: int = Field(ge=1, default=200)
    """How many neighbours are looked at for each vector that is added. More find more, and take longer to build."""

    search_width: int = Field(ge=1, default=128)
    """How many neighbours are looked at for a query. More find more, and take longer."""

    def built(self, vectors: "Vectors") -> Any:
        import faiss

        index = faiss.index_factory(vectors.shape[1], f"HNSW{self.links},SQfp16", faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self.build_width  # type: ignore[attr-defined]  # not in Faiss's stubs
        index.train(vectors)
        # By one thread, since several link the graph in another order each time.
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            index.add(vectors)
        finally:
            faiss.omp_set_num_threads(threads)
        return index

    def rows(
        self, index: "faiss.Index | None", vectors: "Vectors", queries: "Vectors", depth: int
    ) -> npt.NDArray[np.int64]:
        import faiss

        assert index is not None
        width = faiss.SearchParametersHNSW(efSearch=max(self.search_width, depth))  # type: ignore[attr-defined]  # likewise
        found: npt.NDArray[np.int64] = index.search(queries, depth, params=width)[1]
        return found


INDEX_KINDS: Table[type[IndexKind]] = Table("distilrank.indexes", {"flat": Flat, "hnsw": Hnsw})
