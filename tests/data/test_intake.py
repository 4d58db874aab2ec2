"""Taking a collection in: what is an error, what a warning, what goes with what, and that nothing is lost silently."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distilrank.data.collection import SCHEMAS, Collection
from distilrank.data.findings import DROPPED, DroppedIds, Findings
from distilrank.data.intake import take_in
from distilrank.errors import CollectionError

Row = tuple[object, ...]
PASSAGES: list[Row] = [("b", "", "two"), ("a", "One", "one"), ("c", "", "three")]
QUERIES: list[Row] = [("q", "one?", "train"), ("r", "two?", "dev"), ("s", "three?", "test")]
QRELS: list[Row] = [("q", "a", 1, "train"), ("r", "b", 1, "dev"), ("s", "c", 2, "test")]


@dataclass
class Given:
    """A source of what a test says."""

    given_passages: list[Row] = field(default_factory=lambda: list(PASSAGES))
    given_queries: list[Row] = field(default_factory=lambda: list(QUERIES))
    given_qrels: list[Row] = field(default_factory=lambda: list(QRELS))

    def passages(self) -> Iterator[pl.DataFrame]:
        for row in self.given_passages:  # the smallest pieces there can be
            yield pl.DataFrame([row], schema=SCHEMAS["passages"], orient="row")

    def queries(self) -> pl.DataFrame:
        return pl.DataFrame(self.given_queries, schema=SCHEMAS["queries"], orient="row")

    def qrels(self) -> pl.DataFrame:
        return pl.DataFrame(self.given_qrels, schema=SCHEMAS["qrels"], orient="row")


def taken(
    source: Given, directory: Path, dev_share: float | None = None, dev_queries: int | None = None
) -> tuple[Collection, Findings]:
    findings = take_in(source, directory, dev_share, dev_queries)
    return Collection.read(directory), findings


def found(findings: Findings) -> dict[str, tuple[int, str]]:
    return {finding.what: (len(finding.rows), finding.ended) for finding in findings.found}


def test_a_sound_collection_is_sorted_and_has_no_findings(tmp_path: Path) -> None:
    collection, findings = taken(Given(), tmp_path)
    assert findings.found == []
    assert collection.passages.collect().rows() == sorted(PASSAGES)
    assert collection.queries.rows() == QUERIES
    assert collection.qrels.rows() == QRELS
    assert [text for some in collection.passage_texts(2) for text in some] == ["One one", "two", "three"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["passages.parquet", "qrels.parquet", "queries.parquet"]


ERRORS: dict[str, tuple[dict[str, list[Row]], int]] = {
    "passages with an id that is empty or holds white space": (
        {"given_passages": [("x y", "", "text"), ("", "", "text"), ("x\0", "", "text"), (None, "", "text")]}, 4),
    "passages with an id that another has": ({"given_passages": [("a", "", "another")]}, 1),
    "passages without a text": ({"given_passages": [("d", "", " "), ("e", None, None)]}, 2),
    "queries with an id that is empty or holds white space": ({"given_queries": [("q\tq", "what?", "train")]}, 1),
    "queries without a text": ({"given_queries": [("t", "", "train"), ("u", None, "test")]}, 2),
    "queries with an id that another has": ({"given_queries": [("q", "what else?", "train")]}, 1),
    "queries of two splits": ({"given_queries": [("s", "three?", "train")]}, 1),
    "training or dev queries with the text of a test or dev query": (
        {"given_queries": [("t", " THREE?", "train"), ("u", "two?", "train"), ("v", "three?", "dev")]}, 3),
    "qrels of queries that are not there": ({"given_qrels": [("t", "a", 1, "train"), ("s", "a", 1, "train")]}, 2),
    "qrels of passages that are not there": ({"given_qrels": [("q", "zebra", 1, "train")]}, 1),
    "qrels without a relevance": ({"given_qrels": [("q", "b", None, "train")]}, 1),
    "qrels of a pair that has one already": ({"given_qrels": [("q", "a", 0, "train")]}, 1),
}  # fmt: skip


@pytest.mark.parametrize("what", ERRORS)
def test_each_error_is_told_or_dropped_counted_and_listed(tmp_path: Path, what: str) -> None:
    more, number = ERRORS[what]
    source = Given()
    for name, rows in more.items():
        getattr(source, name).extend(rows)
    collection, findings = taken(source, tmp_path)
    assert found(findings)[what] == (number, "dropped")
    assert findings.rows().filter(pl.col("finding") == what).height == number
    with pytest.raises(CollectionError, match=what):
        findings.refuse_errors()
    # What is left is what was sound.
    assert collection.passages.collect().rows() == sorted(PASSAGES)
    assert collection.queries.rows() == QUERIES
    assert collection.qrels.rows() == QRELS


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    source = Given()
    source.given_passages.append(("d", "One", "one"))
    source.given_queries += [("t", "who?", None), ("u", "when?", "test"), ("v", "why?", "train")]
    source.given_qrels.append(("u", "a", 0, "test"))
    collection, findings = taken(source, tmp_path)
    assert found(findings) == {
        "passages with the text of another": (1, "kept"),
        "queries that no qrels name": (1, "left out"),
        "queries without a relevant passage": (2, "left out"),
        "qrels of queries and passages that are gone": (1, "left out"),
    }
    findings.refuse_errors()
    assert collection.queries["query_id"].to_list() == ["q", "r", "s"]
    assert len(collection.passage_ids()) == 4


def test_a_relevant_passage_by_its_querys_own_id_cannot_be_found(tmp_path: Path) -> None:
    """Where identical ids are excluded; a passage that is judged not relevant may be anything."""
    source = Given()
    source.given_queries += [("c", "its own?", "test"), ("a", "another's?", "train")]
    source.given_qrels += [("c", "c", 1, "test"), ("a", "a", 0, "train"), ("a", "b", 1, "train")]
    what = "relevant passages by their query's own id, which exclude_identical_ids leaves out"
    findings = take_in(source, tmp_path, None, None, exclude_identical_ids=True)
    assert found(findings) == {what: (1, "dropped"), "queries without a relevant passage": (1, "left out")}
    with pytest.raises(CollectionError, match=rf"1 {what} \(the first: 'c' 'c' 'test'\)"):
        findings.refuse_errors()
    collection, kept = taken(source, tmp_path)
    assert kept.found == []
    assert {("c", "c", 1, "test"), ("a", "a", 0, "train")} <= set(collection.qrels.rows())


def test_what_goes_with_a_dropped_passage_or_query_is_no_error_of_its_own(tmp_path: Path) -> None:
    source = Given()
    source.given_passages.append(("blank", "", ""))
    source.given_queries += [("t", "three?", "train"), ("u", "of the blank one?", "train")]
    source.given_qrels += [("t", "c", 1, "train"), ("u", "blank", 1, "train")]
    collection, findings = taken(source, tmp_path)
    assert found(findings) == {
        "passages without a text": (1, "dropped"),
        "training or dev queries with the text of a test or dev query": (1, "dropped"),
        "queries without a relevant passage": (1, "left out"),
        "qrels of queries and passages that are gone": (2, "left out"),
    }
    assert collection.qrels.rows() == QRELS


def test_queries_without_labels_stay(tmp_path: Path) -> None:
    source = Given()
    source.given_queries += [("log", "what is four?", "unlabelled"), ("leak", "three?", "unlabelled")]
    collection, findings = taken(source, tmp_path)
    assert collection.queries_of("unlabelled")["query_id"].to_list() == ["log"]
    assert found(findings)["training or dev queries with the text of a test or dev query"] == (1, "dropped")


def test_several_test_sets(tmp_path: Path) -> None:
    source = Given()
    source.given_queries += [("t", "four?", "dl19"), ("u", "five?", "dl20")]
    source.given_qrels += [("t", "a", 3, "dl19"), ("u", "b", 1, "dl20")]
    collection, findings = taken(source, tmp_path)
    assert findings.found == []
    assert collection.test_sets() == ["dl19", "dl20", "test"]
    assert collection.test_qrels()["query_id"].to_list() == ["s", "t", "u"]


def many(number: int) -> Given:
    rows = [(f"q{place}", f"question {place}?", "train") for place in range(number)]
    return Given(given_queries=[*rows, *QUERIES[2:]],
                 given_qrels=[*((query, "a", 1, "train") for query, _, _ in rows), *QRELS[2:]])  # fmt: skip


def test_dev_queries_are_drawn_from_training_queries_and_stay_when_others_come(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    few, _ = taken(many(200), tmp_path / "few", dev_share=0.3)
    more, _ = taken(many(300), tmp_path, dev_share=0.3)
    dev = set(few.queries_of("dev")["query_id"])
    assert 30 < len(dev) < 90
    assert dev == set(more.queries_of("dev")["query_id"]) & set(few.queries["query_id"])
    assert set(few.qrels_of("dev")["query_id"]) == dev
    assert len(few.queries_of("test")) == 1


def test_dev_queries_that_are_given_are_not_added_to_and_can_be_limited(tmp_path: Path) -> None:
    source = many(50)
    source.given_queries += [(f"d{place}", f"dev {place}?", "dev") for place in range(20)]
    source.given_qrels += [(f"d{place}", "b", 1, "dev") for place in range(20)]
    collection, findings = taken(source, tmp_path, dev_share=0.5, dev_queries=5)
    assert len(collection.queries_of("dev")) == len(collection.qrels_of("dev")) == 5
    assert len(collection.queries_of("train")) == 50
    assert found(findings)["dev queries beyond collection.dev_queries"] == (15, "left out")


@pytest.mark.parametrize("name", ["given_passages", "given_queries", "given_qrels"])
def test_nothing_left_of_a_table_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CollectionError, match="got an empty table"):
        take_in(Given(**{name: []}), tmp_path, None, None)


IDS = st.sampled_from(["a", "b", "c", "", "x y", "q", "r"])
TEXTS = st.sampled_from(["", " ", "one?", "One?", "two"])
SPLITS = st.sampled_from(["train", "dev", "test", "dl19", "unlabelled", None])


@settings(max_examples=100)
@given(
    passages=st.lists(st.tuples(IDS, TEXTS, TEXTS), min_size=1, max_size=6),
    queries=st.lists(st.tuples(IDS, TEXTS, SPLITS), min_size=1, max_size=8),
    qrels=st.lists(st.tuples(IDS, IDS, st.sampled_from([0, 1, 2, None]), SPLITS), max_size=10),
)
def test_whatever_is_given_each_row_is_kept_or_listed(
    tmp_path_factory: pytest.TempPathFactory, passages: list[Row], queries: list[Row], qrels: list[Row]
) -> None:
    directory = tmp_path_factory.mktemp("any")
    try:
        collection, findings = taken(Given(passages, queries, qrels), directory)
    except CollectionError as error:
        assert "got an empty table" in str(error)
        return
    gone = findings.rows()
    is_qrel = pl.col("query_id").is_not_null() & pl.col("passage_id").is_not_null()
    is_query, is_passage = pl.col("passage_id").is_null(), pl.col("query_id").is_null()
    kept_passages = collection.passage_ids()
    listed = {"qrels": is_qrel, "queries": is_query, "passages": is_passage}
    sizes = {"qrels": len(collection.qrels), "queries": len(collection.queries), "passages": len(kept_passages)}
    given_sizes = {"qrels": len(qrels), "queries": len(queries), "passages": len(passages)}
    assert given_sizes == {name: sizes[name] + gone.filter(where).height for name, where in listed.items()}
    assert collection.queries["query_id"].is_unique().all()
    assert kept_passages.is_sorted()
    assert kept_passages.is_unique().all()
    assert set(collection.qrels["passage_id"]) <= set(kept_passages)
    for split in ("train", "dev", *collection.test_sets()):
        positive = collection.qrels_of(split).filter(pl.col("relevance") > 0)["query_id"]
        assert set(collection.queries_of(split)["query_id"]) == set(positive)


def test_ids_that_are_gone_are_told_from_those_that_a_qrel_alone_names(tmp_path: Path) -> None:
    source = Given()
    odd = 'a "b"\tc\nd'
    source.given_passages += [("blank", "", " "), (odd, "", "text"), ("a", "", "another a")]
    source.given_queries += [("t", "who?", None), ("mute", "", "train")]
    source.given_qrels += [("q", "nowhere", 1, "train"), ("nobody", "a", 1, "train")]
    _, findings = taken(source, tmp_path)
    findings.rows().write_csv(tmp_path / DROPPED, separator="\t")
    dropped = DroppedIds.read(tmp_path)
    assert sorted(dropped.queries) == ["mute", "t"]
    # One that is there twice is known, whatever became of the second.
    assert sorted(dropped.passages) == ["a", odd, "blank"]
