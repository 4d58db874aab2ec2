"""Scores of others in each form: what of them a student learns, what is left out, and what is refused."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.data.small import lines

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.params import Params
from distilrank.data.collection import SCHEMAS
from distilrank.errors import InputError
from distilrank.labels.labels import read_labels
from distilrank.stages.import_scores import import_scores
from distilrank.stages.triples import triples as draw

PASSAGES = [("p1", "One", "one fish"), *((f"p{number}", "", f"{number} fish") for number in range(2, 7))]
QUERIES = [("1", "which is one?", "train"), ("2", "which is two?", "dev"), ("3", "which are red?", "train"),
           ("4", "which is one?", "test")]  # fmt: skip
QRELS = [("1", "p1", 1, "train"), ("3", "p2", 1, "train"), ("3", "p3", 2, "train"), ("3", "p4", 0, "train"),
         ("2", "p2", 1, "dev")]  # fmt: skip
PLACE = layout.LABELS / "imported" / "T9"
Import = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two training queries, one whose text a test query has too."""
    monkeypatch.chdir(tmp_path)
    with whole_directory(layout.COLLECTION, "distilrank collect", {}, []) as draft:
        for name, rows in {"passages": PASSAGES, "queries": QUERIES, "qrels": QRELS}.items():
            pl.DataFrame(rows, schema=SCHEMAS[name], orient="row").write_parquet(draft.path / f"{name}.parquet")
        (draft.path / "dropped.tsv").write_text("finding\tquery_id\tpassage_id\tsplit\nblank\t\tgone\t\n")


@pytest.fixture
def take_in(tiny_params: Params) -> Import:
    """Imports a file as T9, and gives its labels' rows."""

    def run(content: str | bytes, name: str = "scores.txt", **keys: Any) -> list[Any]:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        imports = {"T9": {"location": name, "checksum": None, **keys}}
        params = Params.model_validate(tiny_params.model_dump() | {"imports": imports})
        import_scores(params, "T9")
        return read_labels(PLACE).rows()

    return run


def counts() -> dict[str, int]:
    return {what: number for what, number in read_manifest(PLACE).counts.items() if number}


def json_lines(*rows: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def trec(*rows: tuple[str, str, float]) -> str:
    return "".join(f"{query} Q0 {passage} 1 {score} rankllm\n" for query, passage, score in rows)


RUN = trec(("1", "p2", 9), ("1", "p1", 7), ("1", "p5", 1), ("1", "gone", 1), ("2", "p2", 5), ("3", "p2", 4),
           ("3", "p3", 2), ("3", "p4", 0), ("3", "p6", 3), ("9", "p1", 1))  # fmt: skip


def test_of_a_run_the_relevant_are_positives_and_the_others_negatives(take_in: Import) -> None:
    rows = take_in(RUN, "run.trec", form="run")
    assert sorted(rows) == [
        ("1", "p1", ["p2"], 7, [9]), ("1", "p1", ["p5"], 7, [1]), ("3", "p2", ["p4"], 4, [0]),
        ("3", "p2", ["p6"], 4, [3]), ("3", "p3", ["p4"], 2, [0]), ("3", "p3", ["p6"], 2, [3]),
    ]  # fmt: skip
    assert counts() == {"given": 10, "dropped": 1, "of dev queries": 1, "of other queries": 1, "triples": 6}
    assert len(take_in(RUN, "run.trec", form="run", count=4, negatives_from=4)) == 4


def test_a_runs_ranks_are_those_of_all_its_passages(take_in: Import) -> None:
    rows = take_in(RUN, "run.trec", form="run", scale="rank", negatives=2, negatives_from=5)
    found = {(query, passage): score for query, passage, _, score, _ in rows}
    assert found == pytest.approx({("1", "p1"): 0.5, ("3", "p2"): 1.0, ("3", "p3"): 1 / 3})
    assert dict(zip(*sorted(rows)[0][2::2], strict=True)) == {"p2": 1.0, "p5": 0.0}


def test_a_runs_best_are_positives_where_nothing_in_it_is_relevant(take_in: Import) -> None:
    nothing_relevant = trec(
        ("1", "p2", 9), ("1", "p5", 7), ("1", "p4", 1), ("3", "p2", 4), ("3", "p4", 0), ("3", "p6", 5)
    )
    rows = take_in(nothing_relevant, "run.trec", form="run", positive_ranks=2)
    assert sorted(rows) == [
        ("1", "p2", ["p4"], 9, [1]), ("1", "p5", ["p4"], 7, [1]),
        ("3", "p2", ["p4"], 4, [0]), ("3", "p2", ["p6"], 4, [5]),
    ]  # fmt: skip
    assert counts() == {"given": 6, "queries without a relevant passage": 1, "triples": 4}


def test_a_run_of_unlabelled_queries_teaches_by_its_best(take_in: Import) -> None:
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    unlabelled = pl.DataFrame({"query_id": ["u"], "text": ["which is best?"], "split": ["unlabelled"]})
    pl.concat([queries, unlabelled.select(queries.columns)]).sort("query_id").write_parquet(
        layout.COLLECTION / "queries.parquet"
    )
    run = trec(("u", "p2", 9), ("u", "p5", 7), ("2", "p1", 1))
    assert take_in(run, "run.trec", form="run", positive_ranks=1) == [("u", "p2", ["p5"], 9, [7])]
    with pytest.raises(InputError, match="none of a training query"):
        take_in(run, "run.trec", form="run")


def test_a_run_of_ranks_alone_must_be_scaled_by_rank(take_in: Import) -> None:
    top = lines([("1", passage, "which is one?", "fish") for passage in ("p2", "p1", "p5")])
    assert sorted(take_in(top, form="run", scale="rank")) == [
        ("1", "p1", ["p2"], 0.5, [1]),
        ("1", "p1", ["p5"], 0.5, [0]),
    ]
    with pytest.raises(
        InputError, match=r"scores.txt: got an order without scores, and the scale none, .* set scale to"
    ):
        take_in(top, form="run")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (trec(("1", "p1", 1), ("1", "zebra", 2)), "run: got passage 'zebra', expected passages of the collection"),
        (trec(("2", "p2", 1)), "run: got 1 candidates, none of a training query"),
        (trec(("1", "p2", 1)), "run: got no relevant passage of any training query"),
        (trec(("1", "p1", 1)), "imports.T9: got no training query with both a relevant passage and a negative, exp"),
    ],
)
def test_runs_that_teach_nothing_are_refused(take_in: Import, content: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        take_in(content, "run", form="run")
    assert not PLACE.exists()


ONE = {"query": "which is one?", "pos": ["One one fish"], "neg": [" 2 fish\n", "3 fish", "no fish", "5 fish"]}
SCORES = {"pos_scores": [4.5], "neg_scores": [1, 2.25, 7, -1]}


def test_flagembeddings_lists_become_triples_in_their_order(take_in: Import) -> None:
    """A passage is its title and its text; white space around texts does not count."""
    others = [ONE | SCORES | {"query": "which is two?"}, ONE | SCORES | {"query": "which is it?"}]
    content = gzip.compress(json_lines(ONE | SCORES, *others).encode())
    rows = [("1", "p1", ["p2", "p3"], 4.5, [1, 2.25])]
    assert take_in(content, "scores.jsonl.gz", form=F, negatives=2) == rows
    assert counts() == {
        "given": 3, "of dev queries": 1, "of other queries": 1, "passages that are not there": 1, "triples": 1,
    }  # fmt: skip
    every = take_in(content, "scores.jsonl.gz", form=F)
    assert [negatives for _, _, negatives, *_ in every] == [["p2"], ["p3"], ["p5"]]


def test_each_positive_meets_all_negatives(take_in: Import) -> None:
    row = {
        "query": "which are red?",
        "pos": ["2 fish", "3 fish"],
        "neg": ["4 fish"],
        "pos_scores": [3, 2],
        "neg_scores": [1],
    }
    rows = take_in(json_lines(row), form=F, scale="min-max")
    assert rows == [("3", "p2", ["p4"], 1, [0]), ("3", "p3", ["p4"], 0.5, [0])]


F, S = "flagembedding", "sentence-transformers"
TRIPLET = {"anchor": "which is one?", "positive": "One one fish", "negative": "2 fish"}
TUPLE = {"question": "which is one?", "answer": "One one fish", "negative_1": "2 fish", "negative_2": "3 fish"}
LIST = {"anchor": "which is one?", "positive": ["One one fish", "2 fish", "3 fish"]}
PAIRS = [("One one fish", 5.0), ("2 fish", 1.0), ("3 fish", 2.0)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([TRIPLET | {"scores": [5.0, 1.0]}], [(["p2"], 5, [1])]),
        ([TUPLE | {"scores": [5.0, 1.0, 2.0]}], [(["p2"], 5, [1]), (["p3"], 5, [2])]),
        ([LIST | {"scores": [5.0, 1.0, 2.0]}], [(["p2"], 5, [1]), (["p3"], 5, [2])]),
        (
            [{"anchor": "which is one?", "positive": text, "score": score} for text, score in PAIRS],
            [(["p2"], 5, [1]), (["p3"], 5, [2])],
        ),
        # Margins alone, of one negative and of two.
        ([TRIPLET | {"label": 4.0}], [(["p2"], 0, [-4])]),
        ([TUPLE | {"label": [4.0, 3.0]}], [(["p2"], 0, [-4]), (["p3"], 0, [-3])]),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_what_sentence_transformers_reads(take_in: Import, rows: list[Any], expected: list[Any], kind: str) -> None:
    Path("scores.parquet").unlink(missing_ok=True)
    pl.DataFrame(rows).write_parquet("scores.parquet")
    content = json_lines(*rows) if kind == "jsonl" else Path("scores.parquet").read_bytes()
    found = take_in(content, f"scores.{kind}", form=S)
    assert found == [("1", "p1", *rest) for rest in expected]


@pytest.mark.parametrize(
    ("form", "rows", "expected"),
    [
        (F, [ONE | SCORES, ONE], r"x:2: got passages without scores, .*; name the file in triples"),
        (F, [ONE | {"pos_scores": [1], "neg_scores": [1]}], r"x:1: got pos_scores and neg_scores that do not"),
        (F, [{"query": "which?", "pos": "one"}], r"x:1: got the keys query, pos, expected a string query"),
        (F, [ONE | SCORES | {"pos_scores": [1e39]}], r"x:1: got the score 1e\+39, expected a finite number"),
        (F, [ONE | SCORES | {"pos_scores": ["4"]}], r'x:1: got the score "4", expected a finite number'),
        (F, [ONE | SCORES | {"pos": [None]}], r"x:1: got text: null, expected a string text"),
        (F, [ONE | SCORES | {"query": "\ud800"}], r"x:1: got half a character in text"),
        (F, [ONE | SCORES | {"query": "which?"}], r"x: got no triple: 1 given, 1 of other queries"),
        (F, [ONE | SCORES, ONE | SCORES | {"pos_scores": [9]}], r"scores from 4.5 to 9 for query '1'"),
        (S, [TRIPLET], r"x:1: got passages without scores"),
        (S, [LIST | {"labels": [1, 0, 0]}], r"x:1: got passages without scores"),
        (S, [LIST | {"labels": [3, 0, 0]}], r"x:1: got the label 3, expected 0 or 1, or scores"),
        (S, [TUPLE | {"scores": [1.0]}], r"x:1: got 1 scores of 3 passages"),
        (S, [{"text": "a"}], r"x:1: got the columns text, expected a query, and a positive"),
        (S, [TRIPLET | {"label": 4.0}, TUPLE | {"scores": [3.0, 2.0, 1.0]}], r"x:2: got margins in some rows"),
    ],
)  # fmt: skip
def test_lists_with_a_fault_are_refused_by_their_row(
    take_in: Import, form: str, rows: list[Any], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        take_in(json_lines(*rows), "x", form=form)
    assert not PLACE.exists()


def test_margins_without_scores_have_no_scale(take_in: Import) -> None:
    with pytest.raises(InputError, match="got margins without scores, and the scale z"):
        take_in(json_lines(TRIPLET | {"label": 4.0}), form=S, scale="z")


def test_a_labels_scale_is_that_of_imports_that_name_none(tiny_params: Params, take_in: Import) -> None:
    Path("scores.tsv").write_text("9\t1\t1\tp1\tp2\n9\t5\t1\tp1\tp3\n")
    imports = {"T9": {"location": "scores.tsv", "checksum": None}}
    values = tiny_params.model_dump() | {"imports": imports, "labels": {"scale": "min-max"}}
    import_scores(Params.model_validate(values), "T9")
    assert read_labels(PLACE).rows() == [("1", "p1", ["p2"], 1, [0]), ("1", "p1", ["p3"], 1, [0.5])]
    raw = take_in("9\t1\t1\tp1\tp2\n", scale="none")
    assert raw == [("1", "p1", ["p2"], 9, [1])]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (F, json_lines(ONE)),
        (S, json_lines(TRIPLET, TUPLE | {"negative_1": "5 fish"})),
        (S, json_lines(LIST | {"labels": [1, 0, 0]})),
        (
            S,
            json_lines(*({"q": "which is one?", "a": a, "label": int(a[0] == "O")} for a, _ in PAIRS)),
        ),
    ],
)
def test_lists_without_scores_are_triples_for_teachers(tiny_params: Params, form: str, content: str) -> None:
    Path("hard.jsonl").write_text(content)
    with whole_directory(layout.CANDIDATES, "distilrank candidates", {}, []) as draft:
        pl.DataFrame({"query_id": ["1"], "passage_id": ["p1"]}).write_parquet(draft.path / "candidates.parquet")
    values = tiny_params.model_dump()
    values["triples"]["bm25"] = {"location": "hard.jsonl", "checksum": None, "form": form}
    draw(Params.model_validate(values), "bm25")
    found = pl.read_parquet("data/triples/bm25/triples.parquet")
    assert found.columns == ["query_id", "positive_id", "negative_ids"]
    assert {(query, positive) for query, positive, _ in found.rows()} == {("1", "p1")}
    assert {"p2", "p3"} <= set(found["negative_ids"].explode())
