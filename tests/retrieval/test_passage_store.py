"""Passage stores: re-ranking from them equals scoring the pairs anew, whatever passages they hold."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.rankers.examples import LENGTHS, OPTIONS, saved_backbone, small_ranker

from distilrank.data.ragged import RaggedIds, StoredTexts
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import InputError, MissingInput, ScoreError
from distilrank.rankers.base import Encoded, Ranker, TokenBatch
from distilrank.rankers.colbert.model import ColbertRanker
from distilrank.retrieval import fitting, fitting_store, storing
from distilrank.retrieval.encodings import Encodings, encode_texts
from distilrank.retrieval.forms import Numbers, TermsForm, VectorsForm, form_of
from distilrank.retrieval.passage_store import GrowingStore, PassageStore
from distilrank.retrieval.reranking import rerank_from_store
from distilrank.retrieval.store_index import StoreIndex
from distilrank.retrieval.storing import PassagesToStore, StoredPart, stored_passages
from distilrank.sections.precision import Precision
from distilrank.sections.searching import Encoding

STORED = [name for name, one in OPTIONS.items() if one.vector_per_token or one.weighs_terms]
# Of scores whose spread is 1: what numbers of 11 bits, and of 8, lose of them.
TOLERANCES: dict[Numbers, float] = {"float32": 1e-5, "float16": 2e-3, "int8": 5e-2}


def some_texts(number: int, longest: int, seed: int) -> RaggedIds:
    """Of random lengths, the first of them empty, the second of one token."""
    random = np.random.default_rng(seed)
    lengths = np.concatenate([[0, 1], random.integers(2, longest + 1, number - 2)])
    ids = random.integers(1000, 20000, lengths.sum()).astype(np.uint32)
    return RaggedIds(ids, np.concatenate([[0], np.cumsum(lengths)]))


TEXTS = StoredTexts(some_texts(8, LENGTHS.query_length, 1), some_texts(60, LENGTHS.passage_length, 2), 0)
QUERY_IDS = pl.Series([f"q{number}" for number in range(8)])
EVERY = np.arange(60)
PASSAGE_IDS = pl.Series([f"p{number:02}" for number in range(60)])


@pytest.fixture(scope="module", params=STORED)
def ranker(request: pytest.FixtureRequest, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Ranker:
    folder = saved_backbone("bert", tmp_path_factory.mktemp("backbone"))
    return small_ranker(OPTIONS[request.param], folder, TextTokenizer(backbone))


def stored(
    ranker: Ranker, directory: Path, numbers: Numbers = "float16", at_once: int = 25, rows: np.ndarray = EVERY
) -> PassageStore:
    """By a worker, which loads the ranker from its directory."""
    model = directory.with_name(f"{directory.name}-model")
    ranker.save_pretrained(model)
    params = Encoding(passages_per_part=at_once)
    return stored_passages(model, TEXTS, PASSAGE_IDS, rows, directory, params, numbers, "it")


def encoded_queries(ranker: Ranker) -> Encodings:
    form = form_of("float32", (ranker.config.backbone or {})["vocab_size"] if ranker.params.weighs_terms else None)
    return encode_texts(ranker.encode_queries, TEXTS.queries, np.arange(8), 0, ranker.device, form)


def some_pairs() -> pl.DataFrame:
    """In no order."""
    pairs = QUERY_IDS.rename("query_id").to_frame().join(PASSAGE_IDS.rename("passage_id").to_frame(), how="cross")
    return pairs.sample(80, shuffle=True, seed=3)


def batch_of(texts: RaggedIds) -> TokenBatch:
    return TokenBatch(*(torch.from_numpy(one) for one in texts.padded(np.arange(len(texts)), 0)))


def afresh(ranker: Ranker) -> dict[tuple[str, str], float]:
    """The score of each pair, by the ranker's own `score`, all pairs in one batch."""
    queries, passages = batch_of(TEXTS.queries), batch_of(TEXTS.passages)
    with torch.inference_mode():
        scores = ranker.score(queries, TokenBatch(*(one.repeat(8, *[1] * (one.ndim - 1)) for one in passages)))
    pairs = [(query, passage) for query in QUERY_IDS for passage in PASSAGE_IDS]
    return dict(zip(pairs, scores.tolist(), strict=True))


@pytest.mark.parametrize("numbers", ["float32", "float16", "int8"])
def test_reranking_from_the_store_equals_scoring_the_pairs(ranker: Ranker, numbers: Numbers, tmp_path: Path) -> None:
    if ranker.params.weighs_terms and numbers == "int8":
        pytest.skip("weights of terms are stored as floats")
    stored(ranker, tmp_path / "store", numbers)
    candidates = some_pairs()
    run = rerank_from_store(
        ranker, QUERY_IDS, encoded_queries(ranker), PassageStore.open(tmp_path / "store"), candidates
    )
    assert run.drop("score").equals(candidates)
    scores = afresh(ranker)
    expected = np.array([scores[pair] for pair in candidates.iter_rows()])
    # PreTTR stores float16 whatever the store holds.
    tolerance = max(TOLERANCES[numbers], TOLERANCES["float16"] if ranker.params.stored_in_half else 0)
    assert np.abs(run["score"].to_numpy() - expected).max() < tolerance * max(1, expected.std())


def test_reranking_from_the_store_has_the_precision_that_is_asked_for(ranker: Ranker, tmp_path: Path) -> None:
    """bfloat16 comes near float32. A ranker that reads pairs reads them in it too."""
    index, candidates = StoreIndex(stored(ranker, tmp_path / "store", "float32")), some_pairs()

    def scores(of_queries: Precision, of_pairs: Precision) -> np.ndarray:
        queries = index.encoded(ranker, TEXTS.queries, np.arange(8), 0, of_queries)
        return index.rerank(ranker, QUERY_IDS, queries, candidates, of_pairs)["score"].to_numpy()

    exact = scores("float32", "float32")
    most = 0.1 * max(1, exact.std())
    assert 0 < np.abs(scores("bfloat16", "bfloat16") - exact).max() < most
    if ranker.params.reads_pairs:
        assert 0 < np.abs(scores("float32", "bfloat16") - exact).max() < most


@pytest.fixture
def colbert(backbone: Path, tmp_path: Path) -> Ranker:
    return small_ranker(OPTIONS["colbert"], saved_backbone("bert", tmp_path / "backbone"), TextTokenizer(backbone))


class Stopped(Exception):
    """What stands for a kill."""


def test_it_goes_on_behind_the_last_whole_part(
    colbert: Ranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(colbert, tmp_path / "whole", at_once=10)
    begin, encoded = storing.begin_storing, []

    def stopping(model: Path) -> Callable[[PassagesToStore], StoredPart]:
        encode = begin(model)

        def stop_at_the_fourth_after_the_sample(part: PassagesToStore) -> StoredPart:
            if len(encoded) == 4:
                raise Stopped
            encoded.append(part.first)
            return encode(part)

        return stop_at_the_fourth_after_the_sample

    monkeypatch.setattr(storing, "begin_storing", stopping)
    with pytest.raises(Stopped):
        stored(colbert, tmp_path / "parts", at_once=10)
    with pytest.raises(MissingInput, match="got 30 of 60 passages, expected all"):
        PassageStore.open(tmp_path / "parts")
    # As a kill may leave them: entries behind those of the last whole part.
    with (tmp_path / "parts" / "values.npy").open("ab") as file:
        file.write(b"half a part")
    encoded[:] = [-1] * 5
    stored(colbert, tmp_path / "parts", at_once=10)
    assert encoded[6:] == [30, 40, 50]
    for name in ("values.npy", "lengths.npy", "passage_ids.parquet", "store.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_part_of_wide_vectors_has_fewer_passages(
    ranker: Ranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory does not grow with the vectors. The store is the same."""
    if ranker.params.weighs_terms:
        pytest.skip("the weights of terms are few, and not as many per token")
    whole = stored(ranker, tmp_path / "whole", at_once=60)
    begin, parts, most = storing.begin_storing, list[StoredPart](), whole.bytes_per_text() * 5

    def noting(model: Path) -> Callable[[PassagesToStore], StoredPart]:
        encode = begin(model)

        def noted(part: PassagesToStore) -> StoredPart:
            parts.append(encode(part))
            return parts[-1]

        return noted

    monkeypatch.setattr(storing, "begin_storing", noting)
    monkeypatch.setattr(storing, "_PART_BYTES", most)
    store = stored(ranker, tmp_path / "parts", at_once=20)
    sizes = [len(one.entries) * one.entries.bytes_per_text() for one in parts[1:]]
    assert sum(sizes) == whole.bytes_per_text() * 60
    # The estimate is from a sample of passages, whose special tokens may be fewer than three.
    assert max(sizes) <= 1.5 * most and len(sizes) >= 9
    assert (store.lengths(EVERY) == whole.lengths(EVERY)).all()
    values = (one.read(EVERY, ranker.device).values for one in (store, whole))
    torch.testing.assert_close(*values, atol=4e-3, rtol=4e-3)


def test_memory_holds_a_part_twice_while_it_is_encoded() -> None:
    texts = RaggedIds(np.ones(64_000, np.uint32), np.arange(0, 64_001, 64))

    def encode(batch: TokenBatch) -> Encoded:
        return Encoded(torch.ones(*batch.ids.shape, 256), batch.mask)

    tracemalloc.start()
    try:
        encoded = encode_texts(encode, texts, np.arange(1_000), 0, torch.device("cpu"), VectorsForm("float16"))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2.3 * 1_000 * encoded.bytes_per_text()


def test_the_size_of_a_store_that_goes_on_is_that_of_the_whole(
    colbert: Ranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there already needs no more room."""
    whole = stored(colbert, tmp_path / "whole", at_once=10)
    work = json.loads((tmp_path / "whole" / "store.json").read_text())["work"]
    grown = GrowingStore(tmp_path / "parts", PASSAGE_IDS, whole.form, work)
    grown.add(0, whole[:50].stored)
    monkeypatch.setattr(fitting_store, "_SAMPLE", 60)
    size = whole.bytes_per_text() * 60
    monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0.5 * size}))
    capsys.readouterr()
    stored(colbert, tmp_path / "parts", at_once=10)
    assert "it: a store of 60 passages in float16, " in capsys.readouterr().out


def test_parts_that_come_early_wait(colbert: Ranker, tmp_path: Path) -> None:
    """As those of several workers may."""
    whole = stored(colbert, tmp_path / "whole")
    store = GrowingStore(tmp_path / "parts", PASSAGE_IDS, whole.form, "the same")
    written = []
    for first, last in ((20, 45), (45, 60), (0, 20)):
        store.add(first, whole[first:last].stored)
        written.append(store.passages)
    assert written == [0, 0, 60]
    assert (tmp_path / "parts" / "values.npy").read_bytes() == (tmp_path / "whole" / "values.npy").read_bytes()


def test_other_passages_are_encoded_anew(colbert: Ranker, tmp_path: Path) -> None:
    first = stored(colbert, tmp_path / "store").read(np.array([7]), colbert.device)
    again = stored(colbert, tmp_path / "store", rows=EVERY[::-1].copy()).read(np.array([52]), colbert.device)
    torch.testing.assert_close(again.values, first.values, atol=1e-3, rtol=1e-3)
    stored(colbert, tmp_path / "store", "int8")
    assert PassageStore.open(tmp_path / "store").form == VectorsForm("int8")


def test_an_encoding_that_has_no_score_is_refused(colbert: Ranker, tmp_path: Path) -> None:
    """Beyond float16, which a store in float32 holds."""
    assert isinstance(colbert, ColbertRanker)
    colbert.projection.weight.data.mul_(1e6)
    with pytest.raises(ScoreError, match="the encoding of passage 'p00': got numbers that are not finite"):
        stored(colbert, tmp_path / "store")
    stored(colbert, tmp_path / "store", "float32")


def test_a_passage_that_is_not_stored_is_refused(colbert: Ranker, tmp_path: Path) -> None:
    store = stored(colbert, tmp_path / "store")
    with pytest.raises(MissingInput, match="passage 'elsewhere'"):
        store.rows(pl.Series(["p03", "elsewhere"]))
    with pytest.raises(MissingInput, match="no such file"):
        PassageStore.open(tmp_path / "nowhere")


def test_a_store_takes_the_bytes_that_its_encodings_tell(ranker: Ranker, tmp_path: Path) -> None:
    """float16: two bytes a number, and for a term's weight four for the term. int8: one, and two for each scale."""
    with torch.inference_mode():
        encoded = ranker.encode_passages(batch_of(TEXTS.passages))
    store = stored(ranker, tmp_path / "half")
    if ranker.params.weighs_terms:
        entries, per_entry = int(encoded.values.count_nonzero()), 2 + 4
    else:
        entries, per_entry = int(encoded.mask.sum()), 2 * encoded.values.shape[2]
        whole = stored(ranker, tmp_path / "whole", "int8")
        assert whole.bytes_per_text() == entries * (encoded.values.shape[2] + 2) / 60
    # A weight that rounding alone makes positive may be there or not.
    assert store.bytes_per_text() == pytest.approx(entries * per_entry / 60, rel=1e-4)


@pytest.mark.parametrize("numbers", ["float32", "float16"])
def test_a_store_without_room_is_refused_with_numbers_that_have(
    ranker: Ranker,
    numbers: Numbers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = stored(ranker, tmp_path / "whole", numbers).bytes_per_text() * 60
    monkeypatch.setattr(fitting_store, "_SAMPLE", 12)

    def free(share: float) -> None:
        monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": share * size}))

    free(0.85)
    less = "float16" if numbers == "float32" else None if ranker.params.weighs_terms else "int8"
    remedy = f"set `numbers: {less}` in its entry" if less else "build it on a larger machine"
    with pytest.raises(InputError, match=rf"it: got a store of 60 passages in {numbers}, .* GB on disk, .*; {remedy}"):
        stored(ranker, tmp_path / "store", numbers)
    assert f"it: a store of 60 passages in {numbers}, " in capsys.readouterr().out
    free(1.15)
    stored(ranker, tmp_path / "store", numbers)
    # One that is whole needs no more room.
    free(0)
    stored(ranker, tmp_path / "store", numbers)


RAGGED = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(RAGGED, st.integers(1, 5), st.sampled_from(["float32", "float16", "int8"]), st.data())
def test_what_is_read_is_what_was_stored(lengths: list[int], width: int, numbers: Numbers, data: st.DataObject) -> None:
    """Of any lengths, empty ones too, with padding in between, in any order, a row several times."""
    random = np.random.default_rng(sum(lengths))
    mask = torch.zeros((len(lengths), 8), dtype=torch.bool)
    for row, length in enumerate(lengths):
        mask[row, random.permutation(8)[:length]] = True
    values = torch.from_numpy(random.standard_normal((len(lengths), 8, width)).astype(np.float32)) * 10
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    read = Encodings.of(Encoded(values, mask), VectorsForm(numbers)).read(np.array(rows), torch.device("cpu"))
    assert read.mask.shape == (len(rows), max(1, *(lengths[row] for row in rows)))
    for place, row in enumerate(rows):
        expected = values[row][mask[row]]
        assert read.mask[place].sum() == lengths[row]
        largest = expected.abs().amax(1, keepdim=True) if len(expected) else expected
        bound = {"float32": 0.0, "float16": 2**-11, "int8": 0.501 / 127}[numbers]
        assert ((read.values[place, : lengths[row]].float() - expected).abs() <= bound * largest).all()
        assert not read.values[place, lengths[row] :].any()


@given(st.lists(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.25, 3.0]), min_size=9, max_size=9), min_size=1, max_size=6))
def test_sparse_vectors_come_back(vectors: list[list[float]]) -> None:
    values = torch.tensor(vectors).unsqueeze(1)
    encoded = Encoded(values, torch.ones(values.shape[:2], dtype=torch.bool))
    stored = Encodings.of(encoded, TermsForm("float16", 9))
    assert len(stored.stored.arrays["terms"]) == values.count_nonzero()
    rows = np.arange(len(vectors))[::-1].copy()
    assert torch.equal(stored.read(rows, torch.device("cpu")).values, values.flip(0))


def test_int8_keeps_vectors_of_zeros_and_of_tiny_numbers() -> None:
    values = torch.tensor([[[0.0, 0.0], [1e-12, -1e-12], [1e-3, -5e-4]]])
    read = Encodings.of(Encoded(values, torch.ones(1, 3, dtype=torch.bool)), VectorsForm("int8"))
    back = read.read(np.array([0]), torch.device("cpu")).values
    assert torch.isfinite(back).all()
    torch.testing.assert_close(back, values, atol=1e-5, rtol=0)
