"""Nearest-neighbour search: compares Faiss on the device with exact search by torch, and measures the rates of both."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from distilrank.gpu_check.bench import Bench, Differs, NotChecked
from distilrank.gpu_check.findings import Rate
from distilrank.gpu_check.meter import finish, repeated_rate
from distilrank.retrieval.on_card import copy_on_card, off_card

GROUP = "search"
_WIDTH, _DEPTH, _QUERIES = 384, 100, 256
# As retrieval/kinds.py describes them to Faiss, without those that Faiss leaves on the processor: SQ8, graphs, OPQ with
# PQ. Without a card, two of them show that the check itself works.
_KINDS = ("SQfp16", "IVF32,SQfp16", "IVF32,PQ48x8np")
_SAMPLE = 20_000


def check(bench: Bench) -> None:
    passages = 1_000_000 if bench.on_card else 2_000
    space = Space(_unit_vectors(passages, seed=0), _unit_vectors(_QUERIES, seed=1))
    for by, search in {"torch": _search_by_torch, "Faiss": _search_by_faiss}.items():
        bench.check(GROUP, f"{by} finds the nearest of {passages:,} vectors", partial(search, bench, space))
    for kind in _KINDS if bench.on_card else _KINDS[:2]:
        bench.check(
            GROUP, f"{kind} is built and searched as on the processor", partial(_build_by_faiss, bench, space, kind)
        )


@dataclass(frozen=True)
class Space:
    """Vectors (passages, width) and queries (queries, width), of length 1, in the CPU's memory."""

    vectors: Tensor
    queries: Tensor

    def nearest(self, device: torch.device) -> Callable[[], tuple[Tensor, Tensor]]:
        """Gives a function that finds scores and rows (queries, depth), by exact search on the device."""
        vectors, queries = self.vectors.to(device), self.queries.to(device)

        def found() -> tuple[Tensor, Tensor]:
            best = (queries @ vectors.T).topk(_DEPTH)
            return best.values, best.indices

        return found


def _unit_vectors(number: int, seed: int) -> Tensor:
    return normalize(torch.randn(number, _WIDTH, generator=torch.manual_seed(seed)), dim=1)


def _search_by_torch(bench: Bench, space: Space) -> str:
    find = space.nearest(bench.device)
    own = [int((space.vectors @ query).argmax()) for query in space.queries[:4]]
    if (found := find()[1][:4, 0].tolist()) != own:
        raise Differs(f"found {found}, the nearest are {own}")
    return _told(bench, space, "torch", find)


def _search_by_faiss(bench: Bench, space: Space) -> str:
    index, queries = _faiss_index(bench, space.vectors.numpy()), space.queries.numpy()
    expected = (one.cpu().numpy() for one in space.nearest(bench.device)())
    same = _same(*index.search(queries, _DEPTH), *expected)
    return f"{_told(bench, space, 'Faiss', lambda: index.search(queries, _DEPTH))}; {same}"


def _told(bench: Bench, space: Space, by: str, search: Callable[[], object]) -> str:
    def batch() -> int:
        search()
        finish(bench)
        return _QUERIES

    rate = repeated_rate(bench, batch)
    bench.tell(Rate("search", f"{len(space.vectors):,} x {_WIDTH}", "float32", by, rate, "queries"))
    return f"{rate:,.0f} queries/s"


def _faiss_index(bench: Bench, vectors: Any) -> Any:
    if find_spec("faiss") is None:
        raise NotChecked("faiss is not installed")
    import faiss

    index = faiss.index_factory(vectors.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
    if bench.on_card:
        if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
            raise NotChecked("faiss is installed without its part for cards, faiss-gpu")
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(vectors)
    return index


def _build_by_faiss(bench: Bench, space: Space, kind: str) -> str:
    """Builds an index that is trained only once, so that both devices have the same centroids."""
    if find_spec("faiss") is None:
        raise NotChecked("faiss is not installed")
    import faiss

    if bench.on_card and not hasattr(faiss, "StandardGpuResources"):
        raise NotChecked("faiss is installed without its part for cards, faiss-gpu")
    vectors, queries = space.vectors[: 10 * _SAMPLE].numpy(), space.queries.numpy()
    index = faiss.index_factory(_WIDTH, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:_SAMPLE])
    if kind.startswith("IVF"):
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", 8)
    there = copy_on_card(index) or faiss.clone_index(index)
    if bench.on_card and type(there).__name__ == type(index).__name__:
        raise Differs("it stayed on the processor")
    for one in (index, there):
        one.add(vectors)
    expected, found, back = (one.search(queries, _DEPTH)[1] for one in (index, there, off_card(there)))
    shared = [_shared(rows, expected) for rows in (found, back)]
    if min(shared) < 0.95 * _DEPTH:
        raise Differs(f"of {_DEPTH} vectors, {shared[0]:.1f} are the same there, and {shared[1]:.1f} of what came back")
    return f"{shared[0]:.1f} of {_DEPTH} vectors the same"


def _shared(rows: Any, expected: Any) -> float:
    """The mean number of each query's rows that are among the expected ones."""
    return float(np.mean([len(set(one) & set(other)) for one, other in zip(rows, expected, strict=True)]))


def _same(scores: Any, rows: Any, expected: Any, expected_rows: Any) -> str:
    """Compares scores by rank, and rows except where scores nearly tie."""
    apart = float(np.abs(scores - expected).max())
    shared = _shared(rows, expected_rows)
    if not apart <= 1e-4 or shared < 0.99 * _DEPTH:
        raise Differs(f"scores {apart:.1e} apart; {shared:.1f} of {_DEPTH} vectors are the same")
    return f"scores within {apart:.1e}, {shared:.1f} of {_DEPTH} vectors the same"
