"""The search page: its server over real sockets, and the page in headless Chromium."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.browser import Tab, chromium
from tests.conftest import Command
from tests.searchable import copy_of, write_ranker, write_vectors
from tests.servers import PLAIN

from distilrank.artifacts import layout
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.collection import Collection
from distilrank.searching import LONGEST_QUERY, Searchers

pytestmark = pytest.mark.slow(60)
MARKUP = "<img src=x onerror=\"document.title='run'\"> <b>bold</b> &amp; <script>document.title='run'</script>"
# Without terms that any passage shares but the one with markup.
MARKED = "xyzzy"


@pytest.fixture(scope="module")
def project(
    prepared: Path, backbone: Path, tiny_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A project, and the working directory: a dense student, a ColBERT that teaches, and a passage of markup."""
    directory = copy_of(prepared, tmp_path_factory)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(directory)
        colbert = {"architecture": "colbert", "layers": 1, "dimension": 16, "normalise": True}
        write_ranker("T1", colbert, backbone, tiny_params.tokens)
        write_ranker("dot-T1", {"architecture": "dot", "layers": 1, "pooling": "mean"}, backbone, tiny_params.tokens)
        write_vectors("dot-T1")
        file = layout.COLLECTION / "passages.parquet"
        passages = pl.read_parquet(file)
        first = pl.int_range(pl.len()) == 0
        passages.with_columns(
            title=pl.when(first).then(pl.lit(f"{MARKED} {MARKUP}")).otherwise("title"),
            text=pl.when(first).then(pl.lit(MARKUP)).otherwise("text"),
        ).write_parquet(file)
        yield directory


@pytest.fixture(scope="module")
def address(project: Path, environment: dict[str, str]) -> Iterator[str]:
    """Of the server, which the command starts on a free port."""
    words = ["distilrank", "serve-search", "--port", "0"]
    process = subprocess.Popen(words, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.match(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def tab(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def asked(address: str, **params: Any) -> Any:
    response = PLAIN.get(f"{address}/search", params=params, timeout=120)
    assert response.status_code == 200, response.text
    return response.json()


def judged(project: Path) -> tuple[str, str]:
    """A test query, by its text, and the passage that is relevant to it."""
    collection = Collection.read(layout.COLLECTION)
    rows = collection.test_qrels().join(collection.queries, on="query_id").select("text", "passage_id")
    text, passage_id = rows.row(0)
    return text, passage_id


def test_bm25_answers_before_the_others_are_loaded(address: str) -> None:
    """The first request of all: the others are still being read."""
    assert [hit["passage_id"] for hit in asked(address, query=MARKED, systems="bm25")["answers"][0]["hits"]]


def test_systems_answer_as_they_do_elsewhere(project: Path, address: str) -> None:
    listed = PLAIN.get(f"{address}/systems", timeout=120).json()
    assert [one["name"] for one in listed["systems"]] == ["bm25", "T1", "dot-T1"]
    assert [one["how"] for one in listed["systems"]] == [
        "finds by terms",
        "re-ranks bm25's best 10",
        "searches all passages",
    ]
    assert listed["usual"] == ["bm25", "dot-T1", "T1"]
    answers = asked(address, query="delete a bucket", systems="bm25,T1,dot-T1", depth=5)["answers"]
    searchers = Searchers(read_params)
    for answer, name in zip(answers, ("bm25", "T1", "dot-T1"), strict=True):
        hits = searchers.load(name).search("delete a bucket", 5)
        assert answer["system"] == name and answer["milliseconds"] > 0
        assert [hit["passage_id"] for hit in answer["hits"]] == [hit.passage_id for hit in hits]
        assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit.score for hit in hits], rel=1e-4)


def test_what_the_qrels_know_is_marked(project: Path, address: str) -> None:
    text, passage_id = judged(project)
    assert text in {*Collection.read(layout.COLLECTION).queries["text"]}
    said = asked(address, query=text, systems="bm25", depth=20)
    assert said["known"] >= 1 and said["highest"] == 1
    relevance = {hit["passage_id"]: hit["relevance"] for hit in said["answers"][0]["hits"]}
    assert relevance.get(passage_id, 1) == 1
    assert asked(address, query="delete a bucket today", systems="bm25")["known"] is None


def test_pieces_make_the_text_again_and_matches_are_whole_words(project: Path, address: str) -> None:
    passages = dict(Collection.read(layout.COLLECTION).passages.select("passage_id", "text").collect().iter_rows())
    for hit in asked(address, query="delete the notification", systems="T1")["answers"][0]["hits"]:
        assert "".join(piece["text"] for piece in hit["text"]) == passages[hit["passage_id"]]
        marked = [piece for piece in hit["title"] + hit["text"] if piece["weight"]]
        assert marked and all(0 < piece["weight"] <= 1 for piece in marked)
        assert {word for piece in marked for word in piece["matches"]} <= {"delete", "the", "notification"}
        assert all(re.fullmatch(r"\w+|[^\w\s]", piece["text"]) for piece in marked)


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"systems": "bm25"}, "query: Field required"),
        ({"query": " ", "systems": "bm25"}, "got an empty query"),
        ({"query": "a" * (LONGEST_QUERY + 1), "systems": "bm25"}, "at most 2000 characters"),
        ({"query": "a", "systems": "T9"}, "got system 'T9', expected one of ['bm25', 'T1', "),
        ({"query": "a", "systems": "bm25,bm25,bm25,bm25"}, "got 4 names, expected 1 to 3"),
        ({"query": "a", "systems": "../T1"}, "got system '../T1'"),
        ({"query": "a", "systems": "bm25", "depth": 51}, "got 51, expected 1 to 50"),
        ({"query": "a", "systems": "bm25", "depth": "many"}, "depth: Input should be a valid integer"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(address: str, params: dict[str, Any], line: str) -> None:
    response = PLAIN.get(f"{address}/search", params=params, timeout=120)
    assert response.status_code == 400
    assert line in response.json()["error"] and "\n" not in response.json()["error"]


def test_only_this_machines_names_are_served_and_nothing_else_may_be_fetched(address: str) -> None:
    assert PLAIN.get(address, headers={"Host": "evil.example"}).status_code == 400
    assert PLAIN.get(address, headers={"Host": "localhost"}).status_code == 200
    headers = PLAIN.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "Access-Control-Allow-Origin" not in headers


def test_a_port_in_use_is_refused(project: Path, address: str, command: Command) -> None:
    done = command(project, "distilrank", "serve-search", "--port", address.rpartition(":")[2])
    assert done.returncode == 2
    assert "which cannot be listened on" in done.stderr and "Traceback" not in done.stderr


def test_nothing_to_search_is_refused(tmp_path: Path, command: Command) -> None:
    done = command(tmp_path, "distilrank", "serve-search", "--port", "0")
    assert done.returncode == 2
    assert "data/collection/manifest.json: got no such file" in done.stderr


def test_a_link_shows_its_search(project: Path, address: str, tab: Tab) -> None:
    text, passage_id = judged(project)
    tab.screen(1280, 900)
    tab.open(f"{address}/?query={text}&systems=bm25,T1&depth=20")
    tab.until("document.querySelectorAll('.column .hit').length > 2 && !document.querySelector('.waits')")
    assert tab.get("[...document.querySelectorAll('.column h2')].map((one) => one.textContent)") == ["bm25", "T1"]
    assert tab.get("document.getElementById('query').value") == text
    found = asked(address, query=text, systems="bm25", depth=20)["answers"][0]["hits"]
    if passage_id in {hit["passage_id"] for hit in found}:
        assert tab.get("document.querySelector('.relevant').textContent") == "relevant"
    assert tab.get("document.querySelectorAll('mark').length") > 0
    # What was typed stands in the address, by which another tab shows the same.
    assert "systems=bm25%2CT1" in tab.get("document.getElementById('link').href")
    others = tab.get("performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)")
    assert set(others) == {address}


def test_markup_in_a_passage_is_text(address: str, tab: Tab) -> None:
    tab.open(f"{address}/?query={MARKED}&systems=bm25")
    tab.until("document.querySelector('.hit')")
    assert tab.get("document.querySelector('.hit .title').textContent") == f"{MARKED} {MARKUP}"
    assert tab.get("document.querySelectorAll('main img, main script, main .title b').length") == 0
    assert tab.get("document.title") == f"{MARKED} – Search"


def test_a_query_is_typed_and_systems_are_chosen_by_keys(address: str, tab: Tab) -> None:
    tab.open(f"{address}/?systems=bm25")
    tab.until("document.querySelectorAll('#systems button').length === 3")
    tab.get("document.activeElement.blur()")
    tab.press("/")
    assert tab.get("document.activeElement.id") == "query"
    assert tab.get("document.activeElement.value") == ""
    tab.type("delete a bucket")
    tab.press("Enter")
    tab.until("document.querySelectorAll('.hit').length")
    tab.press("Escape")
    tab.press("2")
    tab.until("document.querySelectorAll('.column').length === 2 && !document.querySelector('.waits')")
    assert tab.get("location.search") == "?query=delete+a+bucket&systems=bm25%2CT1"
    tab.get("document.querySelector('#systems button').focus()")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    assert tab.get("document.activeElement.dataset.system") == "dot-T1"
    tab.press("1")
    tab.press("2")
    assert "At least one system" in tab.get("document.getElementById('error').textContent")
    tab.get("history.back()")
    tab.until("location.search === '?systems=bm25' && !document.querySelector('.column')")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_is_wider_than_its_screen(address: str, tab: Tab, width: int) -> None:
    tab.screen(width, 800)
    for query in ("", "delete a bucket", MARKED):
        tab.open(f"{address}/?query={query}&systems=bm25,T1,dot-T1")
        tab.until(
            "document.querySelectorAll('#systems button').length === 3 && !document.querySelector('.waits:not(.none)')"
        )
        assert tab.get("document.documentElement.scrollWidth") <= width


def test_a_dark_scheme_has_a_dark_page(address: str, tab: Tab) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    tab.open(address)
    tab.screen(1280, 800, dark=True)
    assert tab.get(background) == "rgb(22, 25, 29)"
    tab.screen(1280, 800)
    assert tab.get(background) == "rgb(253, 252, 249)"
