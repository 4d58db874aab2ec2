"""Passages, a log of queries and the users' clicks: training, dev and test queries without a label by anyone."""

from pathlib import Path

import polars as pl
import pytest

from distilrank.artifacts import layout
from distilrank.check import check
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.triples import TRIPLES
from distilrank.errors import CollectionError
from distilrank.results.at_a_glance import at_a_glance
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.triples import triples
from distilrank.training.history import History

ANIMALS = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"]
PLACES = ["attic", "barn", "cave", "delta", "estuary"]
# What was asked, by the number of its passage.
ASKED = [f"{animal} in the {place}" for animal in ANIMALS for place in PLACES]
CLICKED = range(30)


@pytest.fixture
def logged(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Forty passages, and as many queries, of which thirty have clicks. Two repeat others, without clicks of their
    own."""
    monkeypatch.chdir(tmp_path)
    passages = [f"p{number}\tThe {text} sleeps. No other {text.split()[0]}." for number, text in enumerate(ASKED)]
    queries = [f"q{number}\t{text}" for number, text in enumerate(ASKED)]
    clicks = [f"q{number}\tp{number}\t1" for number in (*CLICKED, *CLICKED)] + ["q35\tp1\t0"]
    Path("passages.tsv").write_text("\n".join(passages))
    Path("log.tsv").write_text("\n".join([*queries, f"again0\t{ASKED[0].upper()}", f"again35\t{ASKED[35]}"]))
    Path("clicks.tsv").write_text("\n".join(clicks))
    return with_collection(tiny_params, clicks="clicks.tsv", test_share=0.3, dev_share=0.2)


def with_collection(params: Params, **keys: object) -> Params:
    collection = {"source": "passages", "location": "passages.tsv", "unlabelled": "log.tsv", **keys}
    return Params.model_validate(params.model_dump() | {"collection": collection})


def test_queries_with_clicks_are_learned_from_and_some_are_held_out(logged: Params) -> None:
    check(logged)
    collect(logged)
    made = Collection.read(layout.COLLECTION)
    split = dict(made.queries.select("query_id", "split").iter_rows())
    assert made.test_sets() == ["clicked"]
    assert {split[f"q{number}"] for number in CLICKED} == {"train", "dev", "clicked"}
    assert {split[f"q{number}"] for number in range(30, 40)} == {split["again35"]} == {"unlabelled"}
    # It asks what another asked who clicked, and that one may be a test query.
    assert "again0" not in split
    assert sorted(made.qrels.rows()) == sorted(
        (f"q{number}", f"p{number}", 1, split[f"q{number}"]) for number in CLICKED
    )
    candidates(logged)
    triples(logged, "bm25")
    drawn = pl.read_parquet(layout.TRIPLES / "bm25" / TRIPLES)
    assert len(drawn) == logged.model_dump()["triples"]["bm25"]["count"]
    for query, positive, negatives in drawn.iter_rows():
        assert split[query] == "train"
        assert positive == query.replace("q", "p")
        assert positive not in negatives


def test_a_query_keeps_its_place_when_the_log_grows(logged: Params) -> None:
    def splits() -> set[tuple[str, str]]:
        collect(logged)
        return set(Collection.read(layout.COLLECTION).queries.select("query_id", "split").rows())

    before = splits()
    for file, line in (("log.tsv", "q0a\tant on the roof"), ("clicks.tsv", "q0a\tp0\t1")):
        Path(file).write_text(f"{line}\n{Path(file).read_text()}")
    assert {one for one in splits() if one[0] != "q0a"} == before


def test_what_clicks_lack_is_refused(logged: Params) -> None:
    for keys, refusal in (
        (
            {"clicks": "clicks.tsv", "dev_share": 0.2},
            "no test queries, .*for aws-api-docs and clicks, raise test_share",
        ),
        ({"clicks": "clicks.tsv", "test_share": 0.2}, "no dev queries, .*set collection.dev_share"),
        ({"dev_share": 0.2}, "no train queries, .*of the source passages: clicks in collection.clicks"),
    ):
        with pytest.raises(CollectionError, match=refusal):
            check(with_collection(logged, **keys))
    for keys, refusal in (
        ({"clicks": "clicks.tsv", "unlabelled": None}, "name its file in unlabelled"),
        ({"test_share": 0.2}, "name their file in clicks"),
    ):
        with pytest.raises(ValueError, match=refusal):
            with_collection(logged, **keys)


def test_the_report_says_whose_queries_these_are(logged: Params) -> None:
    params = logged
    figures = {name: {params.evaluation.primary: value} for name, value in (("dot-T1", 0.5), ("bm25", 0.4))}
    kept = History([], {"rerank": [(2, 0.5)]}, [(2, 0.5)], 2, {}, [], [])
    names = [f"{student}-{teacher}" for student in params.students for teacher in params.matrix.teachers]

    def sentence(*tasks: str) -> str:
        return at_a_glance(params, dict.fromkeys(tasks, figures), dict.fromkeys(names, kept)) or ""

    assert sentence("clicked/rerank").startswith("On held-out queries with clicks, dot-T1 reaches 0.500")
    labelled = sentence("clicked/rerank", "scifact/rerank")
    assert labelled.startswith("On queries that people asked (scifact), dot-T1 reaches 0.500")
    assert labelled.endswith("It learned from clicks.")
    assert sentence("rerank") == ""
