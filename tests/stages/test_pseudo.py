"""A collection without queries of people's: they are made, filtered, counted, and held out for the test."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.stages.tiny_writer import save_tiny_writer

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.check import check
from distilrank.config.graph import graph
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.errors import BackboneError, CollectionError
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.retrieval.bm25 import BM25
from distilrank.sections.data import Candidates
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.find import find
from distilrank.stages.mine import mine
from distilrank.stages.tokenize import tokenize
from distilrank.tracking import stage_run

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


def findings() -> dict[str, int]:
    return {one["finding"]: one["rows"] for one in json.loads((layout.COLLECTION / "findings.json").read_text())}


AMBIGUOUS = "ambiguous pseudo-queries, which are the query or title of several passages"


def test_a_query_that_does_not_find_its_passage_is_left_out_and_counted(tiny_params: Params, folder: Path) -> None:
    for number in range(20):
        (folder / f"odd{number}.txt").write_text(f"Nothing of its name stands in here. It is text {number}.")
    collect(params(tiny_params, folder, {"by": "sentences", "per_passage": 3, "found_within": 1, "minimum_words": 4}))
    found = findings()
    # Of twenty that say the same word for word, none asks for its passage alone.
    assert found[AMBIGUOUS] == 20
    assert found["pseudo-queries whose passage BM25 does not find among 1"] >= 1
    dropped = pl.read_csv(layout.COLLECTION / "dropped.tsv", separator="\t")
    of_pseudo = {finding: rows for finding, rows in found.items() if "pseudo-queries" in finding}
    assert dropped.filter(pl.col("finding").is_in([*of_pseudo]))["query_id"].n_unique() == sum(of_pseudo.values())


def test_bm25_chooses_no_queries_that_it_is_measured_on(tiny_params: Params, folder: Path) -> None:
    """Titles of stop words, by which BM25 finds nothing, are no training queries, but dev and test queries."""
    unfindable = {" ".join(words) for words in permutations(["the", "and", "of", "to", "in"])}
    for number, title in enumerate(sorted(unfindable)):
        (folder / f"stop{number}.md").write_text(f"# {title}\n\nSome text of number {number}.\n")
    collect(params(tiny_params, folder, {"by": "titles", "dev_share": 0.2, "test_share": 0.2}))
    made = Collection.read(layout.COLLECTION)
    kept = {split: unfindable & set(made.queries_of(split)["text"]) for split in ("train", "dev", "pseudo")}
    assert not kept["train"]
    assert kept["dev"]
    assert kept["pseudo"]
    lost = len(unfindable) - len(kept["dev"]) - len(kept["pseudo"])
    assert findings()["pseudo-queries whose passage BM25 does not find among 10"] == lost


def test_bm25_filters_by_the_params_of_the_candidates(
    tiny_params: Params, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = list[Candidates]()

    def recorded(ids: pl.Series, texts: Any, section: Candidates) -> BM25:
        used.append(section)
        return BM25(ids, texts, section)

    monkeypatch.setattr("distilrank.stages.pseudo.BM25", recorded)
    asked = params(tiny_params, folder, {"by": "titles"})
    collect(asked)
    assert used == [tiny_params.candidates]
    told = {"k1": 0.9, "b": 0.4, "stemmer": None}
    assert graph(asked)["pseudo_filter"] == read_manifest(layout.COLLECTION).params["pseudo_filter"] == told
    for pseudo in (None, {"by": "titles", "found_within": None}):
        assert graph(params(tiny_params, folder, pseudo))["pseudo_filter"] is None


def test_a_title_that_another_passage_has_asks_nothing(tiny_params: Params, folder: Path) -> None:
    """Whether that passage is drawn or not, and in upper or lower case."""
    for file in list(folder.iterdir()):
        (folder / f"other {file.name}").write_text(file.read_text().replace("# The", "# THE"))
    for number in range(20):
        (folder / f"alone{number}.txt").write_text("A text with the name of its file.")
    (folder / "long.md").write_text("# A long manual\n\n" + "Some words of a manual. " * 500)
    collect(params(tiny_params, folder, {"by": "titles", "passages": 100, "found_within": None}))
    texts = Collection.read(layout.COLLECTION).queries["text"]
    assert 0 < len(texts) <= 20
    assert texts.str.starts_with("alone").all()
    assert findings()[AMBIGUOUS] == 100 - len(texts)


def in_beirs_layout(folder: Path, asked: dict[str, list[str]]) -> Path:
    """A passage per word, whose title it is, and people's queries by split, all for the first passage."""
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": f"p{number}", "title": word, "text": f"all of the {word}"} for number, word in enumerate(WORDS)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = [(split, f"{split}{number}", text) for split, texts in asked.items() for number, text in enumerate(texts)]
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": key, "text": text}) for _, key, text in rows))
    for split in asked:
        qrels = "".join(f"{key}\tp0\t1\n" for its, key, _ in rows if its == split)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")
    return folder


def test_people_who_did_ask_keep_their_test_set(tiny_params: Params, folder: Path, tmp_path: Path) -> None:
    beir = in_beirs_layout(tmp_path / "beir", {"test": ["what does the heart do"]})
    asked = params(tiny_params, beir, {"by": "titles", "dev_share": 0.3}, source="beir")
    check(asked)
    collect(asked)
    made = Collection.read(layout.COLLECTION)
    assert made.test_sets() == ["test"]
    assert set(made.queries_of("train")["text"]) | set(made.queries_of("dev")["text"]) == set(WORDS)


def test_people_who_did_ask_are_validated_on_where_dev_share_says_so(
    tiny_params: Params, folder: Path, tmp_path: Path
) -> None:
    people = {"train": [f"question {number} on the heart" for number in range(40)], "test": ["what does it do"]}
    beir = in_beirs_layout(tmp_path / "beir", people)
    asked = params(tiny_params, beir, {"by": "titles", "dev_share": 0.3}, source="beir", dev_share=0.3)
    check(asked)
    collect(asked)
    made = Collection.read(layout.COLLECTION)
    dev, train = set(made.queries_of("dev")["text"]), set(made.queries_of("train")["text"])
    assert dev
    assert dev < set(people["train"])
    assert train == {*WORDS, *people["train"]} - dev


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_query_that_a_person_asked_is_not_made_again(
    tiny_params: Params, folder: Path, tmp_path: Path, split: str
) -> None:
    beir = in_beirs_layout(tmp_path / "beir", {split: ["  HEART"]})
    collect(params(tiny_params, beir, {"by": "titles", "dev_share": 0.4, "test_share": 0.4}, source="beir"))
    made = Collection.read(layout.COLLECTION)
    assert sorted(made.queries["text"]) == sorted(["  HEART", *WORDS[1:]])
    assert made.queries_of(split).filter(text="  HEART").height == 1
    assert findings() == {"pseudo-queries with the text of a person's query": 1}


def test_dense_negatives_are_mined_for_made_queries(tiny_params: Params, folder: Path, backbone: Path) -> None:
    values = params(tiny_params, folder, {"by": "titles", "dev_share": 0.2, "test_share": 0.2}).model_dump()
    values["triples"]["mined"] = {"from": ["bm25", "T1b"], "ranks": [1, 9], "negatives": 2, "count": 12}
    asked = Params.model_validate(values)
    for stage in (collect, tokenize, candidates):
        stage(asked)
    tokenizer = TextTokenizer(layout.TOKENS)
    ranker = begin_ranker(asked.trained_teachers()["T1b"].ranker, pretrained(backbone), asked.tokens, tokenizer)
    with whole_directory(layout.MODELS / "T1b", "a test", {}, []) as draft:
        ranker.save_pretrained(draft.path)
        copy_tokenizer(layout.TOKENS, draft.path)
    for source in ("bm25", "T1b"):
        find(asked, "mined", source)
    mine(asked, "mined", stage_run)
    train = Collection.read(layout.COLLECTION).qrels_of("train")
    mined = pl.read_parquet(layout.TRIPLES / "mined" / "triples.parquet")
    assert len(mined) == 12
    assert mined.join(train, left_on=["query_id", "positive_id"], right_on=["query_id", "passage_id"]).height == 12
    negatives = mined.explode("negative_ids").select("query_id", passage_id="negative_ids")
    assert negatives.join(train, on=["query_id", "passage_id"], how="semi").is_empty()
    dense = pl.read_parquet(layout.FOUND / "mined" / "T1b" / "found.parquet")
    assert set(dense["query_id"]) == set(train["query_id"])
    assert not negatives.join(dense, on=["query_id", "passage_id"], how="semi").is_empty()


Calls = list[int]
Killed = Callable[[int], Calls]


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Killed:
    """Has a model write for twenty passages at once, kills it at one of its calls, and lists how many each has."""
    from distilrank.generation.doc2query import QueryWriter

    monkeypatch.setattr("distilrank.stages.pseudo._AT_ONCE", 20)
    write = QueryWriter.write

    def kill(last: int) -> Calls:
        calls = Calls()

        def killed(self: QueryWriter, passages: list[str], seed: int) -> list[list[str]]:
            calls.append(len(passages))
            if len(calls) == last:
                raise KeyboardInterrupt
            return write(self, passages, seed)

        monkeypatch.setattr(QueryWriter, "write", killed)
        return calls

    return kill


def by_model(folder: Path) -> dict[str, Any]:
    return {"by": "model", "checkpoint": str(folder), "per_passage": 2, "found_within": None, "query_length": 8,
            "test_share": 0.2, "dev_share": 0.2}  # fmt: skip


@pytest.mark.slow(10)
def test_a_model_writes_queries_and_a_killed_stage_does_not_ask_it_again(
    tiny_params: Params, folder: Path, tmp_path: Path, killed_at: Killed
) -> None:
    save_tiny_writer(tmp_path / "t5", WORDS)
    asked = params(tiny_params, folder, by_model(tmp_path / "t5") | {"passages": 50})
    calls = killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        collect(asked)
    collect(asked)
    assert calls == [20, 20, 10, 10]
    first = Collection.read(layout.COLLECTION).queries
    collect(asked)
    assert Collection.read(layout.COLLECTION).queries.equals(first)
    assert 0 < len(first) <= 100
    assert all(set(text.split()) <= {*WORDS, "[UNK]"} for text in first["text"])


@pytest.mark.slow(10)
def test_what_a_killed_model_wrote_is_not_taken_for_other_texts_or_weights(
    tiny_params: Params, folder: Path, tmp_path: Path, killed_at: Killed
) -> None:
    save_tiny_writer(tmp_path / "t5", WORDS)
    asked = params(tiny_params, folder, by_model(tmp_path / "t5"))
    calls = killed_at(4)
    with pytest.raises(KeyboardInterrupt):
        collect(asked)
    assert calls == [20, 20, 20, 6]
    min(folder.iterdir()).write_text("# Another text\n\nIt has nothing to do with the one before.\n")
    calls = killed_at(2)
    with pytest.raises(KeyboardInterrupt):
        collect(asked)
    # The first twenty, one of which has changed, and the last six.
    assert calls == [20, 6]
    save_tiny_writer(tmp_path / "t5", WORDS[::-1])
    calls = killed_at(5)
    collect(asked)
    assert calls == [20, 20, 20, 6]


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
