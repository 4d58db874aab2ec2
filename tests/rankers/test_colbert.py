"""MaxSim against loops, and what expanding queries and normalising vectors change."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.rankers.examples import OPTIONS, rows, saved_backbone, small_ranker

from distilrank.data.tokenizer import TextTokenizer
from distilrank.rankers.base import Encoded, Ranker, TokenBatch

MASK = 103


@pytest.fixture(scope="module")
def rankers(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ranker]:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("bert"))
    tokenizer = TextTokenizer(backbone)
    names = ("colbert", "colbert-normalised", "colbert-expanded", "colbert-masks")
    both = {"masks-expanded": OPTIONS["colbert-masks"].model_copy(update={"expand_queries": True})}
    chosen = {name: OPTIONS[name] for name in names} | both
    return {name: small_ranker(params, folder, tokenizer) for name, params in chosen.items()}


def encoded(lengths: list[int], width: int, seed: int, shift: float) -> Encoded:
    values = torch.randn(len(lengths), width, 4, generator=torch.Generator().manual_seed(seed)) + shift
    return Encoded(values, torch.arange(width) < torch.tensor(lengths).unsqueeze(1))


def numpy_maxsim(queries: Encoded, passages: Encoded) -> list[float]:
    """The sum, over a query's vectors, of the greatest dot product with one of the passage's (arXiv 2004.12832)."""
    scores = []
    for number in range(len(queries.values)):
        query = queries.values[number, queries.mask[number]].numpy()
        passage = passages.values[number, passages.mask[number]].numpy()
        scores.append(sum(max(float(np.dot(one, other)) for other in passage) for one in query))
    return scores


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=3),
    st.integers(0, 1000),
    st.sampled_from([-3.0, 0.0, 3.0]),
)
def test_maxsim_is_the_sum_of_the_greatest_dot_products(
    rankers: dict[str, Ranker], lengths: list[tuple[int, int]], seed: int, shift: float
) -> None:
    # Shifted apart, all dot products are negative: padding must not win over them.
    queries = encoded([query for query, _ in lengths], 4, seed, shift)
    passages = encoded([passage for _, passage in lengths], 6, seed + 1, -shift)
    scores = rankers["colbert"].interact(queries, passages)
    torch.testing.assert_close(scores, torch.tensor(numpy_maxsim(queries, passages)), atol=1e-4, rtol=1e-4)


def test_vectors_in_half_precision_are_summed_in_float32(rankers: dict[str, Ranker]) -> None:
    # 300 times 300 does not fit into float16.
    values = torch.full((1, 2, 1), 300.0, dtype=torch.float16)
    vectors = Encoded(values, torch.ones(1, 2, dtype=torch.bool))
    assert rankers["colbert"].interact(vectors, vectors).tolist() == [180_000.0]


def test_every_token_has_a_vector_and_so_have_cls_and_sep(rankers: dict[str, Ranker]) -> None:
    passages = rankers["colbert"].encode_passages(rows(3, 5, width=9, seed=1))
    assert passages.values.shape == (2, 7, 16)
    assert passages.mask.sum(1).tolist() == [5, 7]


def test_vectors_are_of_length_one_only_where_asked_for(rankers: dict[str, Ranker]) -> None:
    batch = rows(3, 5, width=5, seed=1)
    lengths = {name: ranker.encode_passages(batch).values.norm(dim=2) for name, ranker in rankers.items()}
    torch.testing.assert_close(lengths["colbert-normalised"], torch.ones(2, 7))
    assert (lengths["colbert"] - 1).abs().max() > 0.1


def test_expanded_queries_are_filled_up_with_mask_tokens_that_nothing_reads(rankers: dict[str, Ranker]) -> None:
    batch = rows(3, 5, width=5, seed=1)
    with torch.inference_mode():
        plain, expanded = (rankers[name].encode_queries(batch) for name in ("colbert", "colbert-expanded"))
    assert expanded.values.shape == (2, 14, 16)
    assert expanded.mask.all()
    torch.testing.assert_close(expanded.values[:, :7][plain.mask], plain.values[plain.mask], atol=1e-5, rtol=1e-5)
    filled = expanded.values[~torch.nn.functional.pad(plain.mask, (0, 7))]
    # By their positions and by the query that they read, no two are the same.
    assert torch.cdist(filled, filled).fill_diagonal_(1).min() > 1e-3


def test_the_mask_tokens_of_an_expanded_query_count_in_the_score(rankers: dict[str, Ranker]) -> None:
    queries, passages = rows(3, width=3, seed=1), rows(9, width=9, seed=2)
    with torch.inference_mode():
        encoded_queries = rankers["colbert-expanded"].encode_queries(queries)
        encoded_passages = rankers["colbert-expanded"].encode_passages(passages)
        score = rankers["colbert-expanded"].interact(encoded_queries, encoded_passages)
    torch.testing.assert_close(
        score, torch.tensor(numpy_maxsim(encoded_queries, encoded_passages)), atol=1e-4, rtol=1e-4
    )


def test_query_masks_stand_behind_the_query_and_are_read(rankers: dict[str, Ranker]) -> None:
    query = rows(3, width=5, seed=1)
    longer = TokenBatch(torch.cat([query.ids[:, :3], torch.full((1, 3), MASK)], 1), torch.ones(1, 6, dtype=torch.bool))
    ranker = rankers["colbert-masks"]
    with torch.inference_mode():
        masked = ranker.encode_queries(query)
        ids, mask, segments = ranker.framed(longer)
        # [CLS] three tokens [SEP] [MASK] [MASK]: the framed text with its [SEP] moved forward.
        ids[0, 4], ids[0, 6] = ids[0, 7], MASK
        states = ranker.states(ranker.backbone, ids[:, :7], mask[:, :7], segments[:, :7])
        by_hand = ranker.projection(states)
    assert masked.mask.tolist() == [[True] * 7]
    torch.testing.assert_close(masked.values, by_hand, atol=1e-5, rtol=1e-5)


def test_expanded_queries_are_filled_up_behind_their_query_masks(rankers: dict[str, Ranker]) -> None:
    batch = rows(3, 5, width=5, seed=1)
    with torch.inference_mode():
        masked, filled = (rankers[name].encode_queries(batch) for name in ("colbert-masks", "masks-expanded"))
    # [CLS], 12 tokens, [SEP], 2 masks.
    assert filled.values.shape == (2, 16, 16)
    assert filled.mask.all()
    assert masked.mask.sum(1).tolist() == [7, 9]
    torch.testing.assert_close(filled.values[:, :9][masked.mask], masked.values[masked.mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["colbert", "dot", "tk"])
def test_scores_of_float32_vectors_are_float32_under_autocast(name: str, backbone: Path, tmp_path: Path) -> None:
    ranker = small_ranker(OPTIONS[name], saved_backbone("bert", tmp_path), TextTokenizer(backbone))
    queries, passages = rows(3, 5, width=5, seed=1), rows(7, 4, width=7, seed=2)
    with torch.inference_mode():
        apart = ranker.encode_queries(queries), ranker.encode_passages(passages)
        plain = ranker.interact(*apart)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = ranker.interact(*apart)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain, atol=0, rtol=0)
