"""Nearest-neighbour search: Faiss on the device against exact search by torch, and the rates of both."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distilrank.gpu_check.bench import Bench, Differs, NotChecked
from distilrank.gpu_check.findings import Rate

GROUP = "search"
_WIDTH, _DEPTH, _QUERIES = 384, 100, 256


def check_search(bench: Bench) -> None:
    passages = 1_000_000 if bench.on_card else 2_000
    vectors = torch.nn.functional.normalize(torch.randn(passages, _WIDTH, generator=torch.manual_seed(0)), dim=1)
    queries = torch.nn.functional.normalize(torch.randn(_QUERIES, _WIDTH, generator=torch.manual_seed(1)), dim=1)
    held, asked = vectors.to(bench.device), queries.to(bench.device)
    shape = f"{passages:,} x {_WIDTH}"

    def exact() -> tuple[Tensor, Tensor]:
        best = (asked @ held.T).topk(_DEPTH)
        return best.values, best.indices

    with bench.check(GROUP, f"torch finds the nearest of {passages:,} vectors") as say:
        rate = _rate(bench, exact)
        bench.tell(Rate("search", shape, "float32", "torch", rate, "queries"))
        own = [int((vectors @ query).argmax()) for query in queries[:4]]
        if (found := exact()[1][:4, 0].tolist()) != own:
            raise Differs(f"found {found}, the nearest are {own}")
        say(f"{rate:,.0f} queries/s")
    with bench.check(GROUP, f"Faiss finds the nearest of {passages:,} vectors") as say:
        index, where = _faiss_index(bench, vectors.numpy())
        scores, rows = index.search(queries.numpy(), _DEPTH)
        rate = _rate(bench, lambda: index.search(queries.numpy(), _DEPTH))
        bench.tell(Rate("search", shape, "float32", f"Faiss on {where}", rate, "queries"))
        say(_same(scores, rows, *(one.cpu().numpy() for one in exact())))


def _faiss_index(bench: Bench, vectors: Any) -> tuple[Any, str]:
    if find_spec("faiss") is None:
        raise NotChecked("faiss is not installed")
    import faiss

    index = faiss.index_factory(vectors.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
    if bench.on_card:
        if not hasattr(faiss, "StandardGpuResources") or not faiss.get_num_gpus():
            raise NotChecked("faiss is installed without its part for cards, faiss-gpu")
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(vectors)
    return index, "the card" if bench.on_card else "the processor"


def _same(scores: Any, rows: Any, expected: Any, expected_rows: Any) -> str:
    """Scores by rank, and the rows but where scores all but tie."""
    apart = float(np.abs(scores - expected).max())
    shared = float(np.mean([len(set(one) & set(other)) for one, other in zip(rows, expected_rows, strict=True)]))
    if not apart <= 1e-4 or shared < 0.99 * _DEPTH:
        raise Differs(f"scores {apart:.1e} apart; {shared:.1f} of {_DEPTH} vectors are the same")
    return f"scores within {apart:.1e}, {shared:.1f} of {_DEPTH} vectors the same"


def _rate(bench: Bench, search: Callable[[], object]) -> float:
    """Queries per second."""
    search()
    done, began = 0, time.perf_counter()
    while not done or time.perf_counter() - began < bench.seconds_per_rate:
        search()
        if bench.on_card:
            torch.cuda.synchronize()
        done += _QUERIES
    return done / (time.perf_counter() - began)
