"""Candidates and triples that users give: of MS MARCO's forms, TREC's, and ir_datasets'."""

import gzip
from pathlib import Path

import ir_datasets
import polars as pl
import pytest
from ir_datasets.formats import TrecScoredDocs
from tests.data.conftest import LocalFile
from tests.data.small import PASSAGES, lines

from distilrank.data.collection import SCHEMAS, Collection
from distilrank.data.given_runs import given_candidates
from distilrank.data.given_triples import write_given_triples
from distilrank.data.runs import ranked
from distilrank.errors import CollectionError, ScoreError
from distilrank.sections.base import FileElsewhere
from distilrank.sections.data import GivenTriples


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    queries = [("1", "which is one?", "train"), ("2", "which is two?", "dev"), ("3", "which is red?", "train")]
    pl.DataFrame(PASSAGES, schema=SCHEMAS["passages"], orient="row").write_parquet(tmp_path / "passages.parquet")
    table = pl.DataFrame(queries, schema=SCHEMAS["queries"], orient="row")
    return Collection(tmp_path / "passages.parquet", table, pl.DataFrame(schema=SCHEMAS["qrels"]))


def a_file(directory: Path, content: str, name: str = "run.txt") -> str:
    (directory / name).write_text(content)
    return str(directory / name)


def given(location: str) -> FileElsewhere:
    return FileElsewhere(location=location, checksum=None)


def test_a_trec_run_whatever_separates_its_columns(tmp_path: Path, collection: Collection) -> None:
    location = a_file(tmp_path, "1 Q0 p2  1 2.5 mine\n1\tQ0\tp1\t2\t-1e-3\tmine\n9 Q0 p1 1 1 mine\n")
    run, counts = given_candidates([given(location)], collection, drop=False)
    assert run.rows() == [("1", "p2", 2.5), ("1", "p1", -0.001)]
    assert counts == {"given for other queries": 1, "given passages that are not there": 0}


def test_passages_by_a_querys_own_id_can_be_left_out(tmp_path: Path, collection: Collection) -> None:
    (tmp_path / "passages").mkdir()
    rows = [("1", "", "which is one?"), ("2", "", "one fish")]
    own = tmp_path / "passages" / "passages.parquet"
    pl.DataFrame(rows, schema=SCHEMAS["passages"], orient="row").write_parquet(own)
    files = [given(a_file(tmp_path, "1 Q0 1 1 2.5 mine\n1 Q0 2 2 1.5 mine\n2 Q0 1 1 1 mine\n"))]
    numbered = Collection(own, collection.queries, collection.qrels)
    whole, _ = given_candidates(files, numbered, drop=False)
    apart, _ = given_candidates(files, numbered, drop=False, exclude_identical_ids=True)
    assert whole.rows() == [("1", "1", 2.5), ("1", "2", 1.5), ("2", "1", 1.0)]
    assert apart.rows() == whole.rows()[1:]


def test_a_top_1000_file_keeps_its_order(tmp_path: Path, collection: Collection) -> None:
    rows = [("1", "p3", "which?", "red fish"), ("2", "p1", "which?", "one fish"), ("1", "p4", "which?", "blue fish")]
    (tmp_path / "top1000.dev.tsv.gz").write_bytes(gzip.compress(lines(rows).encode()))
    run, _ = given_candidates([given(str(tmp_path / "top1000.dev.tsv.gz"))], collection, drop=False)
    assert ranked(run).drop("rank").rows() == [("1", "p3", 0), ("1", "p4", -1), ("2", "p1", 0)]


def test_a_top_1000_file_is_counted_by_query(tmp_path: Path, collection: Collection) -> None:
    """Lines beyond 2^24, of which MS MARCO's files have many, would tie as float32."""
    rows = [(query, f"p{passage}", "which?", "fish") for passage in (2, 1, 3) for query in ("1", "2")]
    run, _ = given_candidates([given(a_file(tmp_path, lines(rows)))], collection, drop=False)
    assert run["score"].to_list() == [0, -1, -2] * 2


def test_a_score_of_ir_datasets_that_has_no_rank(tmp_path: Path, collection: Collection, registered: str) -> None:
    location = a_file(tmp_path, "1 Q0 p4 1 2.5 run\n1 Q0 p1 2 nan run\n", "scored.txt")
    ir_datasets.registry.register(f"{registered}/bad", ir_datasets.Dataset(TrecScoredDocs(LocalFile(Path(location)))))
    with pytest.raises(ScoreError, match=r"/bad: passage 'p1' of query '1': got the score nan"):
        given_candidates([given(f"ir_datasets:{registered}/bad")], collection, drop=True)


def test_passages_that_are_not_there_are_refused_or_counted(tmp_path: Path, collection: Collection) -> None:
    location = a_file(tmp_path, "1 Q0 p1 1 2 mine\n1 Q0 zebra 2 1 mine\n")
    with pytest.raises(CollectionError, match=r"run.txt: got passage 'zebra', expected passages of the collection"):
        given_candidates([given(location)], collection, drop=False)
    run, counts = given_candidates([given(location)], collection, drop=True)
    assert run.rows() == [("1", "p1", 2.0)]
    assert counts["given passages that are not there"] == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 Q0 p2 1 2 mine\n1 Q0 p1 2 nan mine\n", "run.txt:2: got the score 'nan' of passage 'p1' for query '1'"),
        ("1 Q0 p1 1 -inf mine\n", "run.txt:1: got the score '-inf' of passage 'p1' for query '1', expected a finite"),
        ("1 Q0 p1 1 1e39 mine\n", "run.txt:1: got the score '1e39' of passage 'p1' for query '1', expected a finite"),
        ("1 Q0 p1 1 high mine\n", "run.txt:1: got the score 'high' of passage 'p1' for query '1', expected a finite"),
        ("1 Q0 p1 1 2 mine\n1 Q0 p1 2 1 mine\n", "passage 'p1' twice for query '1'"),
        ("1 Q0 p1 1 2 mine\n1 Q0 p1\n", "run.txt:2: got 3 columns, expected 6"),
        ("9 Q0 p1 1 2 mine\n", "no candidate of the collection's queries"),
        ("a b\n", "run.txt:1: got 1 columns, expected 4: query_id, passage_id, query, passage"),
    ],
)
def test_runs_with_a_fault(tmp_path: Path, collection: Collection, content: str, expected: str) -> None:
    with pytest.raises(CollectionError, match=expected):
        given_candidates([given(a_file(tmp_path, content))], collection, drop=True)


def test_two_runs_share_no_query(tmp_path: Path, collection: Collection) -> None:
    one = given(a_file(tmp_path, "1 Q0 p1 1 2 mine\n", "one"))
    two = given(a_file(tmp_path, "2 Q0 p1 1 2 mine\n", "two"))
    run, _ = given_candidates([one, two], collection, drop=False)
    assert run["query_id"].to_list() == ["1", "2"]
    with pytest.raises(CollectionError, match="query '1', which another run has"):
        given_candidates([one, one], collection, drop=False)


def triples(tmp_path: Path, content: str, columns: str = "ids", count: int | None = None) -> GivenTriples:
    location = a_file(tmp_path, content, "triples.tsv")
    return GivenTriples.model_validate({"location": location, "checksum": None, "columns": columns, "count": count})


def test_triples_of_ids_keep_their_order(tmp_path: Path, collection: Collection) -> None:
    params = triples(tmp_path, "3\tp3\tp1\n1\tp1\tp2\n3\tp3\tp4\n")
    assert write_given_triples(tmp_path / "out", params, collection, drop=False) == {"given": 3, "dropped": 0}
    expected = [("3", "p3", ["p1"]), ("1", "p1", ["p2"]), ("3", "p3", ["p4"])]
    assert pl.read_parquet(tmp_path / "out").rows() == expected
    few = params.model_copy(update={"count": 2})
    assert write_given_triples(tmp_path / "out", few, collection, drop=False)["given"] == 2
    assert pl.read_parquet(tmp_path / "out").rows() == expected[:2]


def test_triples_of_texts_find_their_ids(tmp_path: Path, collection: Collection) -> None:
    params = triples(tmp_path, "which is red?\tred fish\tone fish\nwhich is one?\tone fish\tblue fish\n", "texts")
    write_given_triples(tmp_path / "out", params, collection, drop=False)
    assert pl.read_parquet(tmp_path / "out").rows() == [("3", "p3", ["p1"]), ("1", "p1", ["p4"])]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2\tp2\tp1", r"triples.tsv:2: got '2', expected a training query"),  # a dev query
        ("1\tp1\tzebra", r"triples.tsv:2: got 'zebra', expected a passage"),
        ("1\tp9\tp1", r"triples.tsv:2: got 'p9', expected a passage"),
    ],
)
def test_triples_of_others_are_refused_or_dropped(
    tmp_path: Path, collection: Collection, line: str, expected: str
) -> None:
    params = triples(tmp_path, f"3\tp3\tp1\n{line}\n1\tp1\tp2\n")
    with pytest.raises(CollectionError, match=expected):
        write_given_triples(tmp_path / "out", params, collection, drop=False)
    assert write_given_triples(tmp_path / "out", params, collection, drop=True) == {"given": 3, "dropped": 1}
    assert pl.read_parquet(tmp_path / "out")["query_id"].to_list() == ["3", "1"]


def test_triples_of_which_none_is_of_the_collection(tmp_path: Path, collection: Collection) -> None:
    with pytest.raises(CollectionError, match="got 1 triples, none of the collection"):
        write_given_triples(tmp_path / "out", triples(tmp_path, "a\tb\tc\n"), collection, drop=True)


def test_what_ir_datasets_has(tmp_path: Path, collection: Collection, registered: str) -> None:
    run, _ = given_candidates([given(f"ir_datasets:{registered}/train")], collection, drop=False)
    assert run.rows() == [("1", "p4", 2.5), ("1", "p1", 1.5)]
    params = triples(tmp_path, "").model_copy(update={"location": f"ir_datasets:{registered}/train"})
    write_given_triples(tmp_path / "out", params, collection, drop=False)
    assert pl.read_parquet(tmp_path / "out").rows() == [("1", "p1", ["p4"])]
