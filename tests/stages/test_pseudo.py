"""A collection without queries of people's: they are made, filtered, counted, and held out for the test."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.stages.tiny_writer import save_tiny_writer

from distilrank.artifacts import layout
from distilrank.check import check
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.errors import BackboneError, CollectionError
from distilrank.stages.collect import collect

WORDS = ["heart", "valve", "blood", "cancer", "gene", "cell", "bone", "skin", "nerve", "lung", "liver", "brain"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hundred texts: of each pair of words one, whose name says both."""
    monkeypatch.chdir(tmp_path)
    texts = tmp_path / "texts"
    texts.mkdir()
    pairs = [(one, other) for one in WORDS for other in WORDS if one < other]
    for number, (one, other) in enumerate(pairs):
        body = f"What the {one} has to do with the {other}. " + f"{one} {other} number {number}. " * 3
        (texts / f"{one} and {other}.md").write_text(f"# The {one} and the {other}\n\n{body}\n")
    return texts


def params(tiny: Params, folder: Path, pseudo: dict[str, Any] | None, **collection: object) -> Params:
    given = tiny.model_dump(mode="json")
    given["collection"] = {"source": "passages", "location": str(folder), **collection}
    return Params.model_validate(given | {"pseudo_queries": pseudo})


def test_each_title_asks_for_its_passage_and_some_are_held_out(tiny_params: Params, folder: Path) -> None:
    asked = params(tiny_params, folder, {"by": "titles", "dev_share": 0.2, "test_share": 0.2})
    check(asked)
    collect(asked)
    made = Collection.read(layout.COLLECTION)
    assert made.test_sets() == ["pseudo"]
    assert len(made.queries) == len(made.qrels) == len(made.passage_ids()) == 66
    assert set(made.queries["split"]) == {"train", "dev", "pseudo"}
    titles = dict(made.passages.select("passage_id", "title").collect().iter_rows())
    relevant = made.qrels.join(made.queries, on="query_id")
    assert all(titles[passage] == text for passage, text in relevant.select("passage_id", "text").iter_rows())


def test_a_query_that_does_not_find_its_passage_is_left_out_and_counted(tiny_params: Params, folder: Path) -> None:
    for number in range(20):
        (folder / f"odd{number}.txt").write_text(f"Nothing of its name stands in here. It is text {number}.")
    collect(params(tiny_params, folder, {"by": "sentences", "per_passage": 3, "found_within": 1, "minimum_words": 4}))
    found = {one["finding"]: one["rows"] for one in json.loads((layout.COLLECTION / "findings.json").read_text())}
    # Of twenty that say the same word for word, one is left.
    assert found["pseudo-queries with the text of another"] == 19
    assert found["pseudo-queries whose passage BM25 does not find among 1"] >= 1
    dropped = pl.read_csv(layout.COLLECTION / "dropped.tsv", separator="\t")
    assert dropped.filter(pl.col("finding").str.starts_with("pseudo-queries"))["query_id"].n_unique() == sum(
        rows for finding, rows in found.items() if finding.startswith("pseudo-queries")
    )


def test_people_who_did_ask_keep_their_test_set(tiny_params: Params, folder: Path, tmp_path: Path) -> None:
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    lines = [{"_id": f"p{number}", "title": word, "text": f"all of the {word}"} for number, word in enumerate(WORDS)]
    (beir / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "what does the heart do"}))
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp0\t1\n")
    asked = params(tiny_params, beir, {"by": "titles", "dev_share": 0.3}, source="beir")
    check(asked)
    collect(asked)
    made = Collection.read(layout.COLLECTION)
    assert made.test_sets() == ["test"]
    assert set(made.queries_of("train")["text"]) | set(made.queries_of("dev")["text"]) == set(WORDS)


@pytest.mark.slow(10)
def test_a_model_writes_queries_and_a_killed_stage_does_not_ask_it_again(
    tiny_params: Params, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tiny_writer(tmp_path / "t5", WORDS)
    pseudo = {"by": "model", "checkpoint": str(tmp_path / "t5"), "per_passage": 2, "found_within": None,
              "passages": 50, "query_length": 8, "test_share": 0.2, "dev_share": 0.2}  # fmt: skip
    monkeypatch.setattr("distilrank.stages.pseudo._AT_ONCE", 20)
    from distilrank.generation.doc2query import QueryWriter

    write, calls = QueryWriter.write, list[int]()

    def killed_at_the_third(self: QueryWriter, passages: list[str], seed: int) -> list[list[str]]:
        calls.append(len(passages))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(self, passages, seed)

    monkeypatch.setattr(QueryWriter, "write", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        collect(params(tiny_params, folder, pseudo))
    collect(params(tiny_params, folder, pseudo))
    assert calls == [20, 20, 10, 10]
    first = Collection.read(layout.COLLECTION).queries
    collect(params(tiny_params, folder, pseudo))
    assert Collection.read(layout.COLLECTION).queries.equals(first)
    assert 0 < len(first) <= 100
    assert all(set(text.split()) <= {*WORDS, "[UNK]"} for text in first["text"])


def test_what_cannot_be_is_refused(tiny_params: Params, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match=r"no train queries.*have some made by pseudo_queries"):
        check(params(tiny_params, folder, None))
    with pytest.raises(CollectionError, match=r"no file that ends in .txt or .md"):
        (tmp_path / "empty").mkdir()
        collect(params(tiny_params, tmp_path / "empty", {"by": "titles"}))
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BackboneError, match=r"no model.safetensors"):
        collect(params(tiny_params, folder, {"by": "model", "checkpoint": str(tmp_path / "pickled")}))
