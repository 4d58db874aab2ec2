"""Scores through the score store, with processes and with Ray, kills a worker, and checks that each pair is scored
once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from distilrank.gpu_check.bench import Bench, Differs, NotChecked
from distilrank.gpu_check.shapes import random_ranker, random_texts, save_tokenizer
from distilrank.workers.local import in_processes
from distilrank.workers.on_ray import on_ray
from distilrank.workers.work import Each, Work, Workplace

if TYPE_CHECKING:
    from distilrank.data.tokens import TokenStore

GROUP = "scoring"
_QUERIES, _NEGATIVES, _PAIRS_PER_PART = 40, 15, 32


def check(bench: Bench) -> None:
    cards = torch.cuda.device_count() if bench.on_card else 0
    workers = max(2, cards)
    place = Workplace("local", workers, cpus=1, gpus=cards / workers)
    by_processes = partial(_score, bench, "polars", lambda work: in_processes(work, workers), _children)
    by_ray = partial(_score, bench, "ray", lambda work: on_ray(work, place, "local"), _actors)
    bench.check(GROUP, f"{workers} processes, one killed: each pair is scored once", by_processes)
    bench.check(GROUP, f"Ray with {workers} workers, one killed: each pair is scored once", by_ray)


def _score(
    bench: Bench,
    needed: str,
    workers: Callable[[Work[Any, Any]], AbstractContextManager[Each[Any, Any]]],
    processes: Callable[[], list[int]],
) -> str:
    """Scores pairs with an empty store, and compares the scores with those of this process."""
    for module in ("polars", needed):
        if find_spec(module) is None:
            raise NotChecked(f"{module} is not installed")
    from distilrank.data.query_ranges import query_ranges
    from distilrank.data.triples import pairs_by_range
    from distilrank.scoring.missing import score_missing
    from distilrank.scoring.pairs import score_pairs
    from distilrank.scoring.parts import begin_scoring
    from distilrank.scoring.plan import KnownPairs, Plan
    from distilrank.scoring.store import ScoreStore, scorer_of

    directory = bench.scratch / needed
    tokens, triples = _store_and_triples(bench, directory)
    model = directory / "model"
    ranker = random_ranker(bench.trained_shape, bench.trained_shape.rankers()["cat, [CLS]"])
    ranker.save_pretrained(model)
    save_tokenizer(bench.trained_shape, model)
    known, ranges = KnownPairs(pairs_by_range(triples), tokens), query_ranges(triples, 10_000)
    killed: list[int] = []
    with ScoreStore.opened(scorer_of(model, "float32"), directory / "store") as store:
        plan = Plan.made(directory / "plan", known, ranges, store, _PAIRS_PER_PART)
        with workers(Work(begin_scoring, model)) as each:
            score_missing(store, plan, _killing_one(each, processes, killed), tokens, "float32", "a ranker")
        (queries,) = ranges
        pairs, held = known.of(queries), store.scores(queries)
        rows = store.manifest()["runs"][-1]["pairs"]
    if not killed:
        raise Differs("no worker could be killed: all was scored before one was found")
    scored = pairs.join(held, on=["query_id", "passage_id", "texts"], how="left", maintain_order="left")
    if not len(pairs) == len(held) == rows or scored["score"].null_count():
        raise Differs(f"{len(held)} scores of {rows} scored pairs, {len(pairs)} expected")
    own = score_pairs(ranker.on(bench.device), tokens, pairs, "float32").scores
    apart = float(np.abs(scored["score"].to_numpy() - own).max())
    if not apart <= 1e-3:
        raise Differs(f"scores {apart:.1e} from those of one process")
    return f"{len(pairs)} pairs, scores within {apart:.1e} of those of one process"


def _store_and_triples(bench: Bench, directory: Path) -> "tuple[TokenStore, Any]":
    import polars as pl

    from distilrank.data.tokenizer import SpecialTokens
    from distilrank.data.tokens import TokenStore
    from distilrank.gpu_check.shapes import CLS, MASK, PAD, SEP

    texts = random_texts(bench.trained_shape, _QUERIES, _QUERIES * (1 + _NEGATIVES), shortest=0.3)
    query_ids = pl.Series([f"q{number:04}" for number in range(_QUERIES)])
    passage_ids = pl.Series([f"p{number:06}" for number in range(len(texts.passages))])
    special = SpecialTokens(CLS, SEP, PAD, MASK)
    tokens = TokenStore(texts.queries, texts.passages, query_ids, passage_ids, special)
    groups = np.arange(len(passage_ids)).reshape(_QUERIES, -1)
    triples = pl.DataFrame(
        {
            "query_id": query_ids,
            "positive_id": passage_ids.gather(groups[:, 0]),
            "negative_ids": [passage_ids.gather(group).to_list() for group in groups[:, 1:]],
        }
    )
    directory.mkdir()
    triples.write_parquet(directory / "triples.parquet")
    return tokens, pl.scan_parquet(directory / "triples.parquet")


def _killing_one(each: Each[Any, Any], processes: Callable[[], list[int]], killed: list[int]) -> Each[Any, Any]:
    """Kills a worker when the first part is done."""

    def until_killed(parts: Any) -> Iterator[Any]:
        for result in each(parts):
            if not killed and (found := processes()):
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            yield result

    return until_killed


def _children() -> list[int]:
    from multiprocessing import active_children

    return [child.pid for child in active_children() if child.pid]


def _actors() -> list[int]:
    """The processes of the actors in the cluster that this process began, found by their titles."""
    import psutil

    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "".join(process.cmdline()).startswith("ray::_Worker"):
                found.append(process.pid)
        except psutil.Error:
            continue  # it has ended meanwhile
    return found
