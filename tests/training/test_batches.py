"""What a batch of triples holds, and which triples make none."""

from itertools import product

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from tests.training.conftest import Begin

from distilrank.data.tokens import TokenStore
from distilrank.errors import MissingInput, ScoreError
from distilrank.rankers.base import TokenBatch
from distilrank.rankers.params import RankerParams
from distilrank.rankers.table import ARCHITECTURES
from distilrank.training.batches import Collator, TripleDataset
from distilrank.training.step import Computed, Step

PARAMS: dict[str, RankerParams] = {
    name: next(iter(one.examples(layers=2, width=16).values())) for name, one in ARCHITECTURES.items()
}


def test_a_batch_holds_each_text_once_and_like_lengths_together(triples: pl.DataFrame, tokens: TokenStore) -> None:
    scores = np.arange(18, dtype=np.float32).reshape(6, 3)
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, scores)
    # q3 with p6, p4, p2; q1 with p0, p1, p5; q1 with p0, p1, p5 once more
    numbers, of_queries, of_passages = [4, 1, 1], [3, 1, 1], [[6, 4, 2], [0, 1, 5], [0, 1, 5]]
    for budget in (4, 10, 1000):
        batch = Collator(dataset, budget)(numbers)
        for side, places, store, rows in (
            ("queries", "query_of", tokens.queries, of_queries),
            ("passages", "passage_of", tokens.passages, of_passages),
        ):
            texts = [row[kept].tolist() for some in batch[side] for row, kept in zip(*some.values(), strict=True)]
            assert len(texts) == len(np.unique(rows))
            found = [texts[place] for place in batch[places].ravel()]
            assert found == [store[row].tolist() for row in np.ravel(rows)]
            assert [*map(len, texts)] == sorted(map(len, texts))
            assert all(
                len(some["ids"]) == 1 or some["ids"].numel() + 2 * len(some["ids"]) <= budget for some in batch[side]
            )
            assert all((some["ids"][~some["mask"]] == tokens.special_tokens.pad).all() for some in batch[side])
        assert batch["teacher"].tolist() == scores[numbers].tolist()
        assert batch["numbers"] == numbers


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("reads_pairs", [False, True])
def test_the_order_leads_from_scores_to_triples(
    every: bool, reads_pairs: bool, triples: pl.DataFrame, tokens: TokenStore
) -> None:
    batch = Collator(TripleDataset(tokens.triple_rows(triples), tokens.texts, None), 12, every, reads_pairs)([4, 1, 0])
    # A pair's score: what it is a pair of.
    queries, passages = (sum(len(some["ids"]) for some in batch[side]) for side in ("queries", "passages"))
    scores = []
    for queries_of, *passages_of in ([side.tolist() for side in some.values()] for some in batch["pairs"]):
        scores += [*zip(queries_of, *passages_of, strict=True)] if passages_of else product(queries_of, range(passages))
    assert len(batch["pairs"]) > 1 or not reads_pairs
    ordered = [scores[place] for place in batch["order"]]
    if every:
        assert ordered == [*product(range(queries), range(passages))]
    else:
        wanted = zip(batch["query_of"].tolist(), batch["passage_of"].tolist(), strict=True)
        assert ordered == [(query, passage) for query, own in wanted for passage in own]


def test_without_a_teacher_a_batch_has_no_scores(triples: pl.DataFrame, tokens: TokenStore) -> None:
    assert "teacher" not in Collator(TripleDataset(tokens.triple_rows(triples), tokens.texts, None), 100)([0])


@pytest.mark.parametrize(
    ("negatives", "got"),
    [([["p1"], ["p2", "p3"]], "rows of 1 and 2 negatives"), ([[], []], "rows of 0 negatives")],
)
def test_rows_that_differ_in_negatives_are_refused(negatives: list[list[str]], got: str, tokens: TokenStore) -> None:
    columns = {"query_id": ["q0", "q1"], "positive_id": ["p0", "p0"], "negative_ids": negatives}
    triples = pl.DataFrame(columns, schema_overrides={"negative_ids": pl.List(pl.String)})
    with pytest.raises(MissingInput, match=f"got {got}, expected the same number in each row, at least 1"):
        tokens.triple_rows(triples)


def test_scores_of_another_shape_are_refused(triples: pl.DataFrame, tokens: TokenStore) -> None:
    with pytest.raises(ScoreError, match=r"got shape \(6, 2\), expected .* \(6, 3\)"):
        TripleDataset(tokens.triple_rows(triples), tokens.texts, np.zeros((6, 2), np.float32))


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_scores_and_gradients_are_those_of_pairs_on_their_own(
    params: RankerParams, every: bool, again: bool, begin: Begin, triples: pl.DataFrame, tokens: TokenStore
) -> None:
    """Whichever texts are the same, whichever are encoded together, and whether they are encoded once more."""
    rows = tokens.triple_rows(triples)
    numbers = [0, 1, 2, 3, 0]
    batch = Collator(TripleDataset(rows, tokens.texts, None), 4, every, params.reads_pairs)(numbers)
    assert len(batch["passages"]) > 1
    assert len(batch["pairs"]) > 1 or not (every or params.reads_pairs)
    together, alone = begin(params).train(), begin(params).train()
    step = Step(together, batch, Computed(torch.device("cpu"), again=again))
    met = [rows.passages[numbers].ravel()] * len(numbers) if every else rows.passages[numbers]
    one_by_one = torch.stack(
        [
            torch.cat([alone.score(_batch_of(tokens.queries[query]), _batch_of(tokens.passages[one])) for one in some])
            for query, some in zip(rows.queries[numbers], met, strict=True)
        ]
    )
    torch.testing.assert_close(step.scores, one_by_one, atol=1e-5, rtol=1e-5)
    # All positive: where they cancel, rounding would tell.
    weights = torch.from_numpy(np.random.default_rng(0).uniform(0.5, 1.5, tuple(one_by_one.shape))).float()
    for found in (step.scores, one_by_one):
        (found * weights).sum().backward()
    step.backward()
    gradients = [
        {name: weight.grad for name, weight in ranker.named_parameters() if weight.grad is not None}
        for ranker in (together, alone)
    ]
    assert gradients[0].keys() == gradients[1].keys()
    whole = torch.cat([gradient.ravel() for gradient in gradients[1].values()]).norm()
    for name, gradient in gradients[1].items():
        assert (gradients[0][name] - gradient).norm() <= 1e-6 * whole, name


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_what_is_encoded_once_more_drops_the_same(
    params: RankerParams, begin: Begin, triples: pl.DataFrame, tokens: TokenStore
) -> None:
    """The gradient with a cache is that without one, though dropout draws anew each time."""
    dataset = TripleDataset(tokens.triple_rows(triples), tokens.texts, None)
    batch = Collator(dataset, 16, reads_pairs=params.reads_pairs)([0, 1, 2, 3, 4])
    gradients, drawn = [], []
    for again in (False, True):
        ranker = begin(params).train()
        dropouts = [module for module in ranker.modules() if isinstance(module, torch.nn.Dropout)]
        assert dropouts or params.architecture == "tk"
        for dropout in dropouts:
            dropout.p = 0.3
        torch.manual_seed(5)
        step = Step(ranker, batch, Computed(torch.device("cpu"), again=again))
        step.scores.square().sum().backward()
        step.backward()
        gradients.append(torch.cat([weight.grad.ravel() for weight in ranker.parameters() if weight.grad is not None]))
        drawn.append(torch.rand(1))
    assert (gradients[0] - gradients[1]).norm() <= 1e-5 * gradients[0].norm()
    assert drawn[0] == drawn[1]


def _batch_of(ids: npt.NDArray[np.uint16]) -> TokenBatch:
    """One text."""
    row = torch.from_numpy(ids.astype(np.int64))[None]
    return TokenBatch(row, torch.ones_like(row, dtype=torch.bool))
