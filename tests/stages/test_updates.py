"""An index that is updated twice, and searched with the texts of its own passages, by both commands' code."""

import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import Command
from tests.searchable import write_ranker, write_vectors
from tests.servers import PLAIN

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.data.collection import Collection
from distilrank.searching import Searchers
from distilrank.serving.search.answers import SearchAnswers, Shown
from distilrank.stages.index import index

pytestmark = pytest.mark.slow(20)
LLAMA, ZEBRA, WALRUS = "Fastens a llama to the mast.", "Paints every third zebra.", "Sings to a walrus at noon."
FIRST, SECOND = "mine/first", "mine/second"


@pytest.fixture(scope="module")
def updated_twice(
    prepared: Path, backbone: Path, tiny_params: Params, run_here: Command, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with an index of its first passages that was updated, and then updated again."""
    project = tmp_path_factory.mktemp("updates") / "project"
    shutil.copytree(prepared, project)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(project)
        write_ranker("dot-T1", {"architecture": "dot", "layers": 1, "pooling": "mean"}, backbone, tiny_params.tokens)
        write_vectors("dot-T1")
        index(tiny_params, "dot-hnsw-T1")
        _, second, third, fourth, fifth = some_ids()
        change(run_here, "dot-hnsw-T1", FIRST, {"llama": LLAMA, second: ZEBRA, third: "Soon to be gone."}, [fourth])
        # What the first update replaced is replaced again; what it put is deleted; what it deleted comes back.
        change(run_here, FIRST, SECOND, {second: WALRUS, fourth: ZEBRA}, [third, fifth])
    return project


@pytest.fixture(autouse=True)
def here(updated_twice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(updated_twice)


def some_ids() -> list[str]:
    return Collection.read(layout.COLLECTION).passage_ids()[:5].to_list()


def change(run_here: Command, name: str, target: str, put: dict[str, str], gone: list[str]) -> None:
    lines = [json.dumps({"_id": passage_id, "text": text}) for passage_id, text in put.items()]
    Path("more.jsonl").write_text("\n".join(lines) + "\n")
    Path("gone.txt").write_text("\n".join(gone) + "\n")
    done = run_here(
        Path.cwd(), "distilrank", "update", name, target, "--passages", "more.jsonl", "--delete", "gone.txt"
    )
    assert done.returncode == 0, done.stderr
    assert f"{target}: {len(put)} passages put, {len(gone)} passages deleted" in done.stdout
    assert f"`distilrank search --index {target} " in done.stderr


def found(place: str, query: str, depth: int = 50) -> dict[str, Shown]:
    """What the search page shows of an updated index, best first."""
    answers = SearchAnswers(Searchers(read_params, [Path(place)])).answers(query, [place], depth)
    return {hit.passage_id: hit for hit in answers.answers[0].hits}


def text_of(hit: Shown) -> str:
    return "".join(piece.text for piece in hit.text)


def test_the_second_update_keeps_what_the_first_changed() -> None:
    first, second, third, fourth, fifth = some_ids()
    for place, texts in (
        (FIRST, {"llama": LLAMA, second: ZEBRA, third: "Soon to be gone."}),
        (SECOND, {"llama": LLAMA, second: WALRUS, fourth: ZEBRA}),
    ):
        for passage_id, text in texts.items():
            hits = found(place, text)
            assert next(iter(hits)) == passage_id
            assert text_of(hits[passage_id]) == text and not hits[passage_id].title
    kept = Collection.read(layout.COLLECTION).passages.filter(pl.col("passage_id") == first).collect()["text"][0]
    assert text_of(found(SECOND, kept)[first]) == kept
    every = Searchers(read_params, [Path(SECOND)]).load(SECOND).search(LLAMA, 1000)
    known = set(Collection.read(layout.COLLECTION).passage_ids())
    # A graph may miss a few. Each passage is there once.
    ids = [hit.passage_id for hit in every]
    assert len(ids) == len(set(ids)) and set(ids) <= (known - {third, fifth}) | {"llama"}
    assert not {third, fifth} & {*found(SECOND, "Soon to be gone."), *ids}


def test_the_command_shows_texts_of_the_updated_index(run_here: Command) -> None:
    done = run_here(Path.cwd(), "distilrank", "search", WALRUS, "--index", SECOND, "--depth", "1")
    assert done.returncode == 0, done.stderr
    assert f"{WALRUS}  ({SECOND})" in done.stdout and done.stdout.count("walrus") == 2
    other = run_here(Path.cwd(), "distilrank", "search", WALRUS, "--system", "dot-T1", "--depth", "1")
    assert other.stdout.count("walrus") == 1


def test_the_page_lists_it_beside_the_systems_and_opens_no_other_directory(run_here: Command) -> None:
    answers = SearchAnswers(Searchers(read_params, [Path(SECOND)]))
    listed = answers.systems()
    assert [one.name for one in listed.systems] == ["bm25", "dot-T1", "dot-hnsw-T1", SECOND]
    assert listed.systems[-1].how == "searches an updated index"
    assert listed.usual == ["bm25", SECOND, "dot-T1"]
    # The others have the texts of the collection.
    second = some_ids()[1]
    text = Collection.read(layout.COLLECTION).passages.filter(pl.col("passage_id") == second).collect()["text"][0]
    bm25 = answers.answers(text, ["bm25"], 50).answers[0].hits
    assert text_of(next(hit for hit in bm25 if hit.passage_id == second)) == text
    with pytest.raises(Exception, match=f"got system '{FIRST}', expected one of"):
        answers.answers(LLAMA, [FIRST], 5)


def test_the_server_answers_by_the_path_of_the_directory(environment: dict[str, str]) -> None:
    words = ["distilrank", "serve-search", "--port", "0", "--index", SECOND]
    server = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        address = server.stdout.readline().split()[0]
        asked = {"query": WALRUS, "systems": f"bm25,{SECOND}", "depth": 1}
        answers = PLAIN.get(f"{address}/search", params=asked, timeout=120).json()["answers"]
    finally:
        server.terminate()
        server.wait()
    assert [one["system"] for one in answers] == ["bm25", SECOND]
    assert [piece["text"] for piece in answers[1]["hits"][0]["text"]] == [WALRUS]


@pytest.mark.parametrize("words", [["search", "a llama"], ["serve-search", "--port", "0"]], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("changed", "place", "line"),
    [
        (None, "indexes/dot-hnsw-T1", "indexes/dot-hnsw-T1: got no updated index, expected a directory that"),
        (layout.MODELS / "dot-T1", SECOND, "mine/second: got an index that was made from another models/dot-T1"),
        (layout.TOKENS, SECOND, "mine/second: got an index that was made from another data/tokens"),
    ],
    ids=["no updated index", "another model", "another collection"],
)
def test_what_is_not_of_this_project_is_refused(
    words: list[str], changed: Path | None, place: str, line: str, run_here: Command, tmp_path: Path
) -> None:
    shutil.copytree(Path.cwd(), tmp_path / "project")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(tmp_path / "project")
        if changed:
            with whole_directory(changed, "another", {"changed": True}, []) as draft:
                shutil.copytree(changed, draft.path, dirs_exist_ok=True)
        done = run_here(Path.cwd(), "distilrank", *words, "--index", place)
    assert done.returncode == 2
    assert line in done.stderr and done.stderr.count("\n") == 1


def test_an_update_of_an_update_is_refused_as_a_search_of_it_is(run_here: Command, tmp_path: Path) -> None:
    shutil.copytree(Path.cwd(), tmp_path / "project")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(tmp_path / "project")
        with whole_directory(layout.TOKENS, "another", {"changed": True}, []) as draft:
            shutil.copytree(layout.TOKENS, draft.path, dirs_exist_ok=True)
        done = run_here(Path.cwd(), "distilrank", "update", FIRST, "mine/third", "--delete", "gone.txt")
        assert not Path("mine/third").exists()
    assert done.returncode == 2 and "made from another data/tokens" in done.stderr


def test_a_system_and_an_index_are_not_both_named(run_here: Command) -> None:
    done = run_here(Path.cwd(), "distilrank", "search", "a llama", "--system", "bm25", "--index", SECOND)
    assert done.returncode == 2
    assert "search: got --system and --index, expected one of them; leave one out" in done.stderr
