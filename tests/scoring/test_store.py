"""The score store: each pair once, whatever run it was for; nothing damaged, foreign or out of date is trusted."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import torch
from tests.scoring.conftest import Counting, Each, saved_teacher

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.data.query_ranges import query_ranges
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.data.triples import pairs_by_range, pairs_of
from distilrank.errors import ScoreError
from distilrank.labels.labels import write_labels
from distilrank.rankers.loading import load_ranker
from distilrank.scoring.missing import score_missing
from distilrank.scoring.pairs import rerank
from distilrank.scoring.parts import PairsToScore, ScoredPairs
from distilrank.scoring.plan import KnownPairs, Plan
from distilrank.scoring.scores import scan_scores, write_scores
from distilrank.scoring.store import ScoreStore, digest_of_pairs, fingerprint_of, scorer_of


class Scored(NamedTuple):
    """The scores of a run, in the order of ids, and the pairs that were scored in it."""

    scores: pl.DataFrame
    pairs_scored: int


Score = Callable[..., Scored]


@pytest.fixture
def score(teacher: Path, tokens: TokenStore, triples: pl.LazyFrame, counting: Counting, tmp_path: Path) -> Score:
    """Scores triples by way of the store in tmp_path/store."""

    def run(
        triples: pl.LazyFrame = triples,
        tokens: TokenStore = tokens,
        model: Path = teacher,
        pairs_at_once: int = 1_000,
        precision: str = "float32",
        plan: Path | None = None,
        pairs_per_part: int = 16,
    ) -> Scored:
        known, ranges = KnownPairs(pairs_by_range(triples), tokens), query_ranges(triples, pairs_at_once)
        made = tmp_path / "made"
        for directory in (tmp_path / "plan", made):
            shutil.rmtree(directory, ignore_errors=True)
        made.mkdir()
        with ScoreStore.opened(scorer_of(model, precision), tmp_path / "store") as store, counting(model) as work:
            planned = Plan.made(plan or tmp_path / "plan", known, ranges, store, pairs_per_part)
            score_missing(store, planned, work[0], tokens, precision, "T1")
            write_scores(made, known, ranges, store)
        return Scored(scan_scores(made).collect(), sum(work[1]))

    return run


def parts(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store").glob("*/*.parquet"))


def test_no_pair_is_scored_twice(score: Score, triples: pl.LazyFrame) -> None:
    rows = triples.collect()
    distinct = {
        (query, passage) for query, positive, negatives in rows.iter_rows() for passage in [positive, *negatives]
    }
    scored = score()
    assert scored.pairs_scored == len(scored.scores) == len(distinct) < 2 * len(rows)
    assert set(scored.scores.select("query_id", "passage_id").iter_rows()) == distinct


def test_new_triples_score_new_pairs_alone(score: Score, triples: pl.LazyFrame) -> None:
    """Beside a sample of the held ones, which tells that the store is still the teacher's."""
    some, every = triples.head(40), triples
    before = score(some)
    held, wanted = len(pairs_of(some)), len(pairs_of(every))
    assert before.pairs_scored == held
    after = score(every)
    assert after.pairs_scored == wanted - held + 32
    assert after.scores.join(before.scores, on=["query_id", "passage_id", "score"], how="semi").height == held
    again = score(every)
    assert again.pairs_scored == 32
    assert again.scores.equals(after.scores)


def test_scores_are_the_rankers_own(score: Score, teacher: Path, tokens: TokenStore) -> None:
    scores = score().scores
    expected = rerank(load_ranker(teacher), tokens, scores.select("query_id", "passage_id"))
    np.testing.assert_allclose(scores["score"], expected["score"], atol=1e-5)
    alone = [rerank(load_ranker(teacher), tokens, scores[[row]])["score"][0] for row in (0, 50, 100)]
    np.testing.assert_allclose(scores["score"].gather([0, 50, 100]), alone, atol=1e-5)


@pytest.mark.parametrize("pairs_at_once", [1, 17])
def test_however_little_is_in_memory_at_once_scores_and_labels_are_the_same(
    score: Score, triples: pl.LazyFrame, pairs_at_once: int, tmp_path: Path
) -> None:
    whole = score()
    file = layout.TRIPLES / "bm25" / "triples.parquet"
    labels = []
    for at_once in (1_000, pairs_at_once):
        ranges = query_ranges(triples, at_once)
        target = tmp_path / f"labels-{at_once}.parquet"
        assert write_labels(target, file, ranges, lambda queries: queries.of(whole.scores.lazy()).collect()) == 64
        labels.append(pl.read_parquet(target))
    assert len(query_ranges(triples, pairs_at_once)) > 5
    assert labels[0].equals(labels[1])
    assert labels[0].select(triples.collect_schema().names()).equals(triples.collect())
    shutil.rmtree(tmp_path / "store")
    in_ranges = score(pairs_at_once=pairs_at_once)
    assert in_ranges.scores.drop("score").equals(whole.scores.drop("score"))
    np.testing.assert_allclose(in_ranges.scores["score"], whole.scores["score"], atol=1e-5)


def test_a_part_that_a_kill_left_half_written_is_done_again(score: Score, tmp_path: Path) -> None:
    whole = score()
    lost = parts(tmp_path)[1]
    pairs = len(pl.read_parquet(lost))
    lost.rename(lost.with_name(f"{lost.name[:16]}.partial"))
    again = score()
    assert again.pairs_scored == pairs + 32
    assert again.scores.equals(whole.scores)
    assert not list((tmp_path / "store").glob("*/*.partial"))


def test_a_plan_that_is_there_is_gone_on_with(
    teacher: Path, tokens: TokenStore, triples: pl.LazyFrame, counting: Counting, tmp_path: Path
) -> None:
    known, ranges = KnownPairs(pairs_by_range(triples), tokens), query_ranges(triples, 1_000)

    def stopped(each: Each, after: int) -> Each:
        def run(parts: Iterable[PairsToScore]) -> Iterator[ScoredPairs]:
            for number, result in enumerate(each(parts)):
                if number == after:
                    raise KeyboardInterrupt
                yield result

        return run

    with ScoreStore.opened(scorer_of(teacher, "float32"), tmp_path) as store, counting(teacher) as (each, counts):
        plan = Plan.made(tmp_path / "plan", known, ranges, store, 16)
        with pytest.raises(KeyboardInterrupt):
            score_missing(store, plan, stopped(each, 2), tokens, "float32", "T1")
        assert len(plan.missing_parts(store)) == len(plan.parts) - 2
        counts.clear()
        again = Plan.made(tmp_path / "plan", known, ranges, store, 16)
        assert again == plan
        score_missing(store, again, each, tokens, "float32", "T1")
        assert sum(counts) == plan.pairs - 32


def test_pairs_of_a_passage_are_planned_together(
    teacher: Path, tokens: TokenStore, triples: pl.LazyFrame, tmp_path: Path
) -> None:
    """A passage's pairs are in one part, or in parts that follow one another."""
    with ScoreStore.opened(scorer_of(teacher, "float32"), tmp_path) as store:
        known, ranges = KnownPairs(pairs_by_range(triples), tokens), query_ranges(triples, 1_000)
        plan = Plan.made(tmp_path / "plan", known, ranges, store, 16)
    order = pl.concat(pl.read_parquet(part) for part in plan.parts.values())["passage_id"]
    assert len(plan.parts) > 3
    assert len(order.rle()) == order.n_unique() < len(order) == plan.pairs


def test_a_plan_does_not_outlive_the_scores_it_relied_on(score: Score, triples: pl.LazyFrame, tmp_path: Path) -> None:
    """A scoring that found some pairs held is killed; then the store is deleted."""
    score(triples.head(40))
    score()
    left = tmp_path / "left"
    (tmp_path / "plan").rename(left)
    shutil.rmtree(tmp_path / "store")
    assert score(plan=left).pairs_scored == len(pairs_of(triples))


def test_plans_that_cross_score_no_pair_twice(score: Score, tmp_path: Path) -> None:
    """A scoring is killed, another with other parts finishes, and then the first one's plan is there again."""
    whole = score()
    (tmp_path / "plan").rename(tmp_path / "left")
    lost = parts(tmp_path)[1]
    pairs = len(pl.read_parquet(lost))
    lost.unlink()
    other = score(pairs_per_part=10)
    assert other.pairs_scored == pairs + 32
    again = score(plan=tmp_path / "left")
    assert again.pairs_scored == 32
    assert again.scores.equals(other.scores)
    assert len(pl.read_parquet(parts(tmp_path))) == len(whole.scores)


def test_a_damaged_part_is_named(score: Score, tmp_path: Path) -> None:
    score()
    damaged = parts(tmp_path)[2]
    lost = len(pl.read_parquet(damaged))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ScoreError, match=rf"{damaged.name}: got content of digest .*delete the file"):
        score()
    damaged.unlink()
    assert score().pairs_scored == lost + 32


def test_a_foreign_part_is_named(
    score: Score, teacher: Path, tiny_params: Params, backbone: Path, tmp_path: Path
) -> None:
    score()
    other = saved_teacher(backbone, tiny_params, 1)
    score(model=other)
    mine, its = (fingerprint_of(scorer_of(model, "float32")) for model in (teacher, other))
    assert mine != its
    foreign = next((tmp_path / "store" / its).glob("*.parquet"))
    for part in (tmp_path / "store" / mine).glob(f"{foreign.name[:16]}-*"):
        part.unlink()
    shutil.copy(foreign, tmp_path / "store" / mine)
    with pytest.raises(ScoreError, match=rf"{foreign.name}: got scores of the scorer {its}, expected those of {mine}"):
        score()


def test_a_file_that_is_no_part_is_named(score: Score, tmp_path: Path) -> None:
    score()
    (parts(tmp_path)[0].parent / "notes.txt").write_text("mine")
    with pytest.raises(ScoreError, match=r"notes.txt: got a file that is no part"):
        score()


@pytest.mark.parametrize("some", [40, 64])
def test_a_store_whose_scores_are_no_longer_the_teachers_is_refused(
    score: Score, tmp_path: Path, triples: pl.LazyFrame, some: int
) -> None:
    """As after a change of the code, or of a library, that changes scores."""
    score(triples.head(some))
    fingerprint = parts(tmp_path)[0].parent.name
    for part in parts(tmp_path):
        moved = pl.read_parquet(part).with_columns(pl.col("score") + 1)
        part.unlink()
        store = ScoreStore(part.parent, fingerprint)
        store.add(part.name[:16], moved)
    with pytest.raises(ScoreError, match="as the ranker scores now; delete the directory"):
        score()


def test_a_text_that_changed_is_scored_again(
    score: Score, tokens: TokenStore, triples: pl.LazyFrame, tmp_path: Path
) -> None:
    score()
    passage = triples.collect()["positive_id"][0]
    changed, tokenizer = tmp_path / "changed", TextTokenizer(layout.TOKENS)
    shutil.copytree(layout.TOKENS, changed)
    ids = [tokens.passages[row] for row in range(len(tokens.passages))]
    row = tokens.passage_rows(pl.Series([passage]))[0]
    ids[row] = np.array(tokenizer.ids(["another text"])[0], ids[row].dtype)
    np.save(changed / "passages.tokens.npy", np.concatenate(ids))
    np.save(changed / "passages.offsets.npy", np.cumsum([0, *map(len, ids)]))
    again = score(tokens=TokenStore.open(changed))
    affected = pairs_of(triples).filter(pl.col("passage_id") == passage)
    assert again.pairs_scored == len(affected) + 32


@pytest.mark.parametrize("change", ["precision", "lengths", "tokenizer"])
def test_what_changes_scores_changes_the_fingerprint(teacher: Path, tmp_path: Path, change: str) -> None:
    before = fingerprint_of(scorer_of(teacher, "float32"))
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    assert fingerprint_of(scorer_of(other, "float32")) == before
    if change == "lengths":
        config = (other / "config.json").read_text()
        (other / "config.json").write_text(config.replace('"passage_length": 24', '"passage_length": 23'))
    if change == "tokenizer":
        with (other / "tokenizer.json").open("a") as file:
            file.write(" ")
    assert fingerprint_of(scorer_of(other, "bfloat16" if change == "precision" else "float32")) != before


def test_bfloat16_scores_are_near_those_of_float32(score: Score) -> None:
    exact, rounded = score().scores["score"].to_numpy(), score(precision="bfloat16").scores["score"].to_numpy()
    np.testing.assert_allclose(rounded, exact, atol=0.1)
    assert np.abs(rounded - exact).max() > 1e-4


def test_a_teacher_that_gives_no_number_is_refused(score: Score, teacher: Path, tmp_path: Path) -> None:
    ranker = load_ranker(teacher)
    with torch.no_grad():
        ranker.get_parameter("head.bias").fill_(float("nan"))
    ranker.save_pretrained(teacher)
    with pytest.raises(ScoreError, match="expected a finite number"):
        score()
    assert parts(tmp_path) == []


def test_the_manifest_counts_what_is_there(score: Score, teacher: Path, tmp_path: Path) -> None:
    scores = score().scores
    with ScoreStore.opened(scorer_of(teacher, "float32"), tmp_path / "store") as store:
        manifest = store.manifest()
    assert manifest["scores"] == len(scores) == sum(manifest["parts"].values())
    assert set(manifest["parts"]) == {part.name for part in parts(tmp_path)}
    (run,) = manifest["runs"]
    assert run["pairs"] == len(scores)
    assert run["pairs per second"] > 0
    assert all(digest_of_pairs(part) == part.stem[17:] for part in parts(tmp_path))
