"""The report, on small made-up results in the project's own files."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
import pytest
from flows.results import results_page
from scipy.stats import permutation_test, ttest_rel

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import write_json
from distilrank.cli.tables import show_results
from distilrank.config.derived import built_indexes, control_of, model_names, ranker_names, seeded_names
from distilrank.config.labelling import labels as labels_in
from distilrank.config.params import Params
from distilrank.data.collection import SCHEMAS, Collection
from distilrank.data.runs import read_trec, write_trec
from distilrank.errors import MissingInput, ParamsError
from distilrank.evaluation.measures import means, measure
from distilrank.evaluation.tasks import task_of
from distilrank.labels.quality import quality
from distilrank.results.at_a_glance import at_a_glance
from distilrank.results.index_audit import Audited, IndexAudit
from distilrank.results.report import ReportInputs, write_report
from distilrank.results.report.latex import latex_tables
from distilrank.results.report.summary import write_summary
from distilrank.results.shortfalls import read_histories
from distilrank.training.history import History

MATRIX = ["nDCG@10", "RR@10"]
# How many triples a model learned from, if not 64.
TRIPLES = {"warm-T2": 1090, "dot-T3": 250, "dot-control-T3": 150}
# Of each student of the matrix that has one.
CONTROLS = {"cat": "cat", "colbert": "colbert", "dot": "dot", "tk": "tk", "dot_mse": "dot"}
HOSTILE = "<script>alert('passage')</script> & more"
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "cat": {"architecture": "cat", "layers": 1},
    "prettr": {"architecture": "prettr", "layers": 2, "join_layer": 1},
    "colbert": {"architecture": "colbert", "layers": 1},
    "dot": {"architecture": "dot", "layers": 1, "pooling": "mean"},
    "tk": {"architecture": "tk"},
}
# The taught student that the dev queries choose; on the test queries dot-T1 is better.
ON_DEV = "tk-T1"
# What each model's scores are multiplied by, and added to: ranges of their own.
# How much higher relevant passages are scored, in standard deviations, where not as by default.
BETTER = {"cat": -4.0, "cat-T1": 4.0, "dot-T1": 9, "tk": 9, "tk-T2": -9, "colbert": 0.2, "colbert-T2": 0.2}
SCALES = {"T1": (5, 0), "T1b": (4, 1), "T1c": (6, -1), "colbert": (2, 90), "dot": (3, 40), "tk": (1, -20)}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params) -> Params:
    """What the stages before the report leave, for 12 test queries with 5 candidates each."""
    monkeypatch.chdir(tmp_path)
    write_results(tiny_params, write_collection())
    return tiny_params


@pytest.fixture(scope="module")
def matrix_params(tiny_params: Params) -> Params:
    """Five architectures x {none, T1, T2 of three}; prettr has no control, dot_mse is compared with dot."""
    values = tiny_params.model_dump()
    teacher, student = values["teachers"]["T1"], values["students"]["dot"]
    students = {name: student | {"ranker": ranker} for name, ranker in ARCHITECTURES.items()}
    matrix = {"teachers": ["T1", "T2"], "controls": ["cat", "colbert", "dot", "tk"], "seeds": []}
    matrix |= {"controls_per_teacher": []}
    return Params.model_validate(
        values
        | {"teachers": dict.fromkeys(("T1", "T1b", "T1c"), teacher), "matrix": matrix}
        | {"ensembles": {"T2": {"members": ["T1", "T1b", "T1c"], "combine": "mean"}}}
        | {"students": students | {"dot_mse": student | {"loss": {"name": "mse"}}}}
    )


@pytest.fixture(scope="module")
def matrix_project(matrix_params: Params, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project with the whole matrix's results, and its page; not to be changed."""
    directory = tmp_path_factory.mktemp("matrix")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(directory)
        write_results(matrix_params, write_collection())
        return directory, write_report(ReportInputs.read(matrix_params))


@pytest.fixture
def matrix_page(matrix_project: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of the whole matrix, whose project is the working directory."""
    directory, page = matrix_project
    monkeypatch.chdir(directory)
    return page


def write_collection(set_of: Callable[[int], str] = lambda _: "test") -> Collection:
    passages = [(f"p{number:02}", "A service", HOSTILE) for number in range(60)]
    queries = [(f"q{number:02}", f"query number {number}", set_of(number)) for number in range(12)]
    queries += [("qtrain", "train on me", "train"), ("qdev", "validate on me", "dev")]
    qrels = [(query_id, f"p{5 * number:02}", 1, split) for number, (query_id, _, split) in enumerate(queries[:12])]
    qrels += [("qtrain", "p00", 1, "train"), ("qdev", "p00", 1, "dev")]
    layout.COLLECTION.mkdir(parents=True)
    for name, rows in {"passages": passages, "queries": sorted(queries), "qrels": sorted(qrels)}.items():
        table = pl.DataFrame(rows, schema=SCHEMAS[name], orient="row")
        table.write_parquet(layout.COLLECTION / f"{name}.parquet")
    return Collection.read(layout.COLLECTION)


def times_of(median: float) -> dict[str, dict[str, float]]:
    ways = {"single": median, "concurrent": 3 * median, "encoded beforehand": median / 2}
    return {how: {"median": time, "p90": 1.5 * time} for how, time in ways.items()}


def write_audit(params: Params) -> None:
    """Indexes find nine tenths of what exact search does."""

    def audited(model: str, entry: str, kind: str, found: float) -> Audited:
        times = {"p50": 2 * found, "p95": 3.0, "p99": 4.0}
        return Audited(model, entry, kind, "retrieve", {"10": found}, {"nDCG@10": 0.5}, 1234.5, times, 768.0, 1.5)

    built = built_indexes(params)
    exact = {one.model: audited(one.model, one.model, "flat", 1.0) for one in built}
    indexes = {one.name: audited(one.model, one.entry, "hnsw", 0.9) for one in built}
    IndexAudit("a machine", 10, 12, 60, {}, exact, indexes).write()


def test_indexes_stand_beside_the_exact_search_of_their_model(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    section = page[page.index('<section id="indexes">') :]
    assert re.findall(r"<th>(dot[\w-]*)</th>", section[: section.index("</section>")]) == [
        "dot-T1", "dot-hnsw-T1", "dot-T2", "dot-hnsw-T2",
    ]  # fmt: skip
    assert "0.900 <small>floor 0.500</small>" in section


def test_copies_that_re_rank_have_a_table_of_their_own(results: Params) -> None:
    """The loss of int8: its nDCG beside that of the store."""
    audited, times = IndexAudit.read(), {"p50": 2.0, "p95": 3.0, "p99": 4.0}

    def re_ranking(entry: str, kind: str, found: float, ndcg: float) -> Audited:
        scores = {"nDCG@10": ndcg}
        return Audited("tk-T1", entry, kind, "rerank", {"10": found}, scores, 1.5, times, 768.0, None)

    exact = {**audited.exact, "tk-T1": re_ranking("tk", "store", 1.0, 0.512)}
    copies = {**audited.indexes, "tk-int8-T1": re_ranking("tk-int8", "int8", 0.98, 0.509)}
    replace(audited, exact=exact, indexes=copies).write()
    page = write_report(ReportInputs.read(results))
    searching, reranking = page[page.index('<section id="indexes">') :].split("<h3>Copies of passage stores</h3>")
    assert "tk-" not in searching
    table = reranking[: reranking.index("</table>")]
    assert re.findall(r"<th>(tk[\w-]*)</th>", table) == ["tk-T1", "tk-int8-T1"]
    assert re.findall(r">(0\.5\d\d)<", table) == ["0.512", "0.509"]


def write_results(params: Params, collection: Collection) -> None:
    layout.MEASURES.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    first_stage, sets = params.candidates.first_stage(), collection.test_sets()
    rankers = [first_stage, *ranker_names(params), *seeded_names(params)]
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    tables = []
    relevant = np.arange(60) % 5 == 0
    for ranker in rankers:
        rows = [(f"q{query:02}", f"p{5 * query + place:02}") for query in range(12) for place in range(5)]
        run = pl.DataFrame(rows, schema=["query_id", "passage_id"], orient="row")
        scale, shift = SCALES.get(ranker.split("-")[0], (1, 0))
        better = BETTER.get(ranker, 1.5 if "-" in ranker and "-start" not in ranker else 0.2)
        # By its name, so that another ranker among them changes nobody's scores.
        noise = np.random.default_rng(crc32(ranker.encode())).normal(size=60)
        run = run.with_columns(score=pl.Series((noise + better * relevant) * scale + shift))
        searches = ranker.split("-")[0] in (first_stage, "dot") and "~" not in ranker
        for kind in ("rerank", "retrieve") if searches else ("rerank",):
            layout.runs_of(ranker).mkdir(parents=True, exist_ok=True)
            write_trec(run, layout.run_of(ranker, kind), ranker)
            for name in sets:
                task, qrels = task_of(name, kind, sets), collection.qrels_of(name)
                values = measure(run.join(qrels, on="query_id", how="semi"), qrels, params.minimum_relevance(name))
                metrics.setdefault(task, {})[ranker] = means(values)
                tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
    pl.concat(tables).write_parquet(layout.MEASURES)
    write_json(layout.METRICS, metrics)
    rankers = rankers[: len(rankers) - len(seeded_names(params))]
    timed = [ranker for ranker in rankers if "-start" not in ranker]
    timed = timed if first_stage == "bm25" else timed[1:]
    # Those of one architecture take about the same.
    entries = {name: params.teachers.get(name) or params.students.get(name.partition("-")[0]) for name in timed}
    kinds = [str(entry.ranker) if entry else name for name, entry in entries.items()]
    slowness = {kind: 1.9**-place for place, kind in enumerate(dict.fromkeys(kinds))}
    medians = [100 * slowness[kind] + 0.01 * number for number, kind in enumerate(kinds)]
    by_ranker = dict(zip(timed, medians, strict=True))
    reranking = {name: times_of(time) for name, time in by_ranker.items()}
    searching = {
        name: {"single": times_of(time)["single"]} for name, time in by_ranker.items() if name.split("-")[0] == "dot"
    }
    told = {"machine": "a machine", "depth": 5, "top_k": 10, "queries": 12, "clients": 4, "measured": {}}
    told |= {"bytes_per_passage": {name: storage_of(name) for name in timed[1:]}}
    write_json(layout.LATENCY, told | {"milliseconds": {"rerank": reranking, "retrieve": searching}})
    write_audit(params)
    with whole_directory(layout.SYSTEMS, "distilrank systems", {}, []) as draft:
        draft.counts["systems"] = 0
    tables = {"/".join(labels): labels_of(random, 5 + number) for number, labels in enumerate(labels_in(params))}
    write_json(layout.LABEL_QUALITY, quality(tables, combinations(tables, 2)))
    for name in model_names(params):
        dev = 0.5 if name == ON_DEV else 0.4
        validation = [(2, 0.3), (4, dev)]
        margins = {"student": [(2, 1.0), (4, 5.0)]} | ({"teacher": [(2, 7.0), (4, 6.0)]} if "-T" in name else {})
        history = History(
            [(2, 0.7), (4, 0.5)], {"rerank": validation}, validation, 4, margins, [(2, 9.0), (4, 3.0)],
            [(2, 0.08), (4, 0.12)],
        )  # fmt: skip
        with whole_directory(layout.MODELS / name, "distilrank train", {}, []) as draft:
            write_json(draft.path / "history.json", asdict(history))
            draft.counts["triples"] = TRIPLES.get(name, 64)


def storage_of(ranker: str) -> float:
    """Bytes per passage; a cat stores nothing."""
    return {"cat": 0.0, "colbert": 6144.0, "dot": 1536.0, "tk": 3072.0}.get(ranker.split("-", maxsplit=1)[0], 0.0)


def labels_of(random: np.random.Generator, mean: float) -> pl.LazyFrame:
    """Twenty triples whose margins are about `mean`."""
    ids = [f"q{number % 7}" for number in range(20)]
    triples = {"query_id": ids, "positive_id": "p", "negative_ids": [[f"n{number}"] for number in range(20)]}
    scores = {"positive_score": random.normal(mean, size=20), "negative_scores": random.normal(size=(20, 1))}
    return pl.LazyFrame(triples | scores).with_columns(pl.col("negative_scores").arr.to_list())


def cells(page: str, kind: str, row: str) -> Iterator[list[str]]:
    """Of each table of a kind, the words of each cell of the row that a name begins."""
    for table in re.findall(rf'<table class="results {kind}">(.*?)</table>', page, re.DOTALL):
        for line in re.findall(r"<tr.*?</tr>", table, re.DOTALL):
            words = [
                unescape(re.sub(r"<[^>]*>", " ", cell)).split() for cell in re.findall(r"<t[dh].*?</t[dh]>", line, re.S)
            ]
            if words[0][:1] == [row]:
                yield [" ".join(cell) for cell in words[1:]]


def number(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def per_query(ranker: str, name: str) -> list[float]:
    table = pl.read_parquet(layout.MEASURES)
    chosen = table.filter(pl.col("ranker") == ranker, pl.col("task") == "rerank", pl.col("measure") == name)
    return chosen.sort("query_id")["value"].to_list()


def test_every_ranker_measure_and_figure_is_on_the_page(matrix_page: str, matrix_params: Params) -> None:
    metrics = json.loads(layout.METRICS.read_text())
    for values in metrics["rerank"].values():
        assert all(name in matrix_page and f"{value:.3f}" in matrix_page for name, value in values.items())
    assert all(f"</i>{ranker}" in matrix_page for ranker in ["bm25", *ranker_names(matrix_params)])


@pytest.fixture(scope="module")
def compared(matrix_project: tuple[Path, str]) -> dict[tuple[str, str], tuple[float, float]]:
    """By taught student and measure, its difference from its control, and the larger of both tests' p after Holm."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(matrix_project[0])
        found = {}
        for name in MATRIX:
            # A table's comparisons are all that taught students have: with a control, teachers, BM25 and a start.
            pairs = {
                (f"{student}-{teacher}", other): (per_query(f"{student}-{teacher}", name), per_query(other, name))
                for student in (*CONTROLS, "prettr")
                for teacher, members in {"T1": ["T1"], "T2": ["T1", "T1b", "T1c"]}.items()
                for control in [CONTROLS.get(student)]
                for other in (*[control] * bool(control), *members, "bm25", f"{control or student}-start")
            }
            t_tests = by_holm([1.0 if a == b else float(ttest_rel(a, b).pvalue) for a, b in pairs.values()])
            exchanges = by_holm([exchanged_p_value(a, b) for a, b in pairs.values()])
            for ((taught, other), (a, b)), *both in zip(pairs.items(), t_tests, exchanges, strict=True):
                if other == CONTROLS.get(taught.partition("-")[0]):
                    found[taught, name] = float(np.mean(a) - np.mean(b)), max(both)
    return found


def exchanged_p_value(values: list[float], others: list[float]) -> float:
    tried = permutation_test(
        (values, others), lambda a, b, axis: np.mean(a - b, axis), permutation_type="samples", vectorized=True
    )
    return float(tried.pvalue)


def by_holm(p_values: list[float]) -> list[float]:
    """Step by step, as Holm has it."""
    corrected, least = dict.fromkeys(range(len(p_values)), 1.0), 0.0
    for step, place in enumerate(sorted(corrected, key=lambda place: p_values[place])):
        least = max(least, p_values[place] * (len(p_values) - step))
        corrected[place] = min(1.0, least)
    return list(corrected.values())


@pytest.mark.parametrize(("student", "control"), CONTROLS.items())
def test_a_student_is_one_row_compared_with_its_control(
    matrix_page: str, student: str, control: str, compared: dict[tuple[str, str], tuple[float, float]]
) -> None:
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    row = next(cells(matrix_page, "matrix", student))
    start = f"{control}-start"
    for place, name in ((1, "nDCG@10"), (5, "RR@10")):
        assert row[place - 1].split()[0] == f"{metrics[start][name]:.3f}"
        assert row[place].split()[0] == f"{metrics[control][name]:.3f}"
        for column, taught in ((1, f"{student}-T1"), (2, f"{student}-T2")):
            figure, *mark, gain = row[place + column].split()
            assert figure == f"{metrics[taught][name]:.3f}"
            difference, p_value = compared[taught, name]
            assert number(gain) == pytest.approx(difference, abs=6e-4)
            assert mark == ([] if p_value >= 0.05 else ["▲"] if difference > 0 else ["▼"])


def test_a_taught_student_that_is_worse_is_named_loudly(
    matrix_page: str, matrix_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    taught, control = (metrics[name]["nDCG@10"] for name in ("tk-T2", "tk"))
    line = f"tk-T2 ({taught:.3f}) is worse than its control tk ({control:.3f})"
    assert taught < control
    assert line in unescape(matrix_page[: matrix_page.index("<section")])
    show_results(matrix_params)
    assert re.search(f"WORSE Re-ranking .*{re.escape(line)}", capsys.readouterr().out)


def test_there_are_gains_losses_and_neither_here(compared: dict[tuple[str, str], tuple[float, float]]) -> None:
    significant = [difference for difference, p_value in compared.values() if p_value < 0.05]
    assert min(significant) < 0 < max(significant)
    assert len(significant) < len(compared)


def test_a_loss_does_not_look_like_a_gain(matrix_page: str) -> None:
    assert re.findall(r'<sup class="(\w+)">([▲▼])</sup>', matrix_page)
    assert set(re.findall(r'<sup class="(\w+)">([▲▼])</sup>', matrix_page)) == {("gain", "▲"), ("loss", "▼")}


def test_a_student_of_made_queries_is_told_of_on_the_queries_of_people(results: Params) -> None:
    asked = Params.model_validate(results.model_dump() | {"pseudo_queries": {"by": "titles"}})
    page = " ".join(unescape(write_report(ReportInputs.read(asked))).split())
    told = json.loads(layout.METRICS.read_text())["rerank"]
    reached = [f"{name} reaches {told[name]['nDCG@10']:.3f}" for name in (ON_DEV, "bm25", "tk-start")]
    assert f"On queries that people asked (test), {reached[0]} nDCG@10 in re-ranking, {reached[1]}" in page
    assert f"{reached[1]}, {reached[2]} without training. It learned from queries made of passages." in page


def test_queries_that_people_asked_elsewhere_are_told_of_rather_than_made_ones(results: Params) -> None:
    asked = Params.model_validate(results.model_dump() | {"pseudo_queries": {"by": "titles"}})
    names, histories = (ON_DEV, "bm25", "tk-start"), read_histories(results)
    made, people = ({name: {"nDCG@10": value} for name in names} for value in (0.9, 0.4))
    both = {"pseudo/rerank": made, "pseudo/retrieve": made, "trec/rerank": people}
    assert str(at_a_glance(asked, both, histories)).startswith(
        f"On queries that people asked (trec), {ON_DEV} reaches 0.400"
    )
    only_made = at_a_glance(asked, {"pseudo/rerank": made}, histories)
    assert str(only_made).startswith(f"On queries made of passages held out, {ON_DEV} reaches 0.900")


def lead(page: str) -> str:
    """All that stands before the first section, as words."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page[page.index("</h1>") : page.index("<section")])).split())


def test_the_headline_is_of_the_taught_student_that_the_dev_queries_chose(
    matrix_page: str, compared: dict[tuple[str, str], tuple[float, float]]
) -> None:
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    best_on_test = max((name for name in metrics if "-" in name), key=lambda name: metrics[name]["nDCG@10"])
    assert best_on_test != ON_DEV
    words = lead(matrix_page)
    assert f"{ON_DEV}, the taught student that the development queries chose, reaches" in words
    assert f"reaches {metrics[ON_DEV]['nDCG@10']:.3f} nDCG@10" in words
    difference, p_value = compared[ON_DEV, "nDCG@10"]
    p = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    assert f"{difference:+.3f}".replace("-", "\N{MINUS SIGN}") in words
    assert f"({p})" in words


def test_the_headline_counts_all_taught_students_losses_too(
    matrix_page: str, compared: dict[tuple[str, str], tuple[float, float]]
) -> None:
    named: dict[str, list[str]] = {
        "gained by teaching": [], "lost by it": [], "may differ from the control by chance": []
    }  # fmt: skip
    for (name, measured), (difference, p_value) in compared.items():
        if measured == "nDCG@10":
            kind = 2 if p_value >= 0.05 else 0 if difference > 0 else 1
            named[list(named)[kind]].append(name)
    assert "tk-T2" in named["lost by it"]
    for words, names in named.items():
        pattern = rf"{len(names)} \(([^()]*)\) {words}" if names else f"none {words}"
        found = re.search(pattern, lead(matrix_page))
        assert found, words
        assert not names or sorted(re.split(", | and ", found[1])) == sorted(names)
    assert "2 (prettr-T1 and prettr-T2) had no control" in lead(matrix_page)


def test_a_headline_of_a_loss_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, matrix_params: Params,
    compared: dict[tuple[str, str], tuple[float, float]],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_results(matrix_params, write_collection())
    file = layout.MODELS / "tk-T2" / "history.json"
    write_json(file, json.loads(file.read_text()) | {"validation": {"rerank": [[2, 0.3], [4, 0.9]]}})
    page = write_report(ReportInputs.read(matrix_params))
    difference, _ = compared["tk-T2", "nDCG@10"]
    assert f"Against tk, the same student without a teacher, teaching cost it {-difference:.3f} (p" in lead(page)
    assert '<div class="loss">' in page


def test_the_speed_up_is_that_of_the_times_in_the_table(matrix_page: str) -> None:
    slow, fast = (float(next(cells(matrix_page, "matrix", name))[-1]) for name in ("T1", "tk"))
    [told] = re.findall(r"([\d.]+) times as fast", lead(matrix_page))
    assert float(told) == pytest.approx(slow / fast, rel=0.1)
    assert "Measure the times again" not in matrix_page


def test_a_time_says_whether_passages_were_encoded_beforehand(matrix_page: str) -> None:
    served, at_once, beforehand, found = map(float, next(cells(matrix_page, "times", "dot")))
    assert at_once == pytest.approx(3 * served, rel=0.1)
    assert beforehand == pytest.approx(served / 2, rel=0.1)
    assert found == served
    assert next(cells(matrix_page, "times", "Ranker")) == [
        "one at a time",
        "4 at once",
        "encoded beforehand",
        "one at a time",
    ]
    reranking, searching = cells(matrix_page, "matrix", "dot")
    assert float(reranking[-1]) == float(searching[-1]) == served
    assert next(cells(matrix_page, "times", "tk"))[-1] == ""


def test_times_of_an_older_form_are_refused(results: Params) -> None:
    write_json(layout.LATENCY, {"machine": "a machine", "depth": 5, "queries": 12, "milliseconds": {}})
    with pytest.raises(MissingInput, match=r"latency.json: got times of another form"):
        show_results(results)


def test_models_built_alike_whose_times_differ_are_flagged(results: Params, capsys: pytest.CaptureFixture[str]) -> None:
    latency = json.loads(layout.LATENCY.read_text())
    for name, time in (("tk", 7.6), ("tk-T1", 235), ("tk-T2", 7.7)):
        latency["milliseconds"]["rerank"][name] = times_of(time)
    write_json(layout.LATENCY, latency)
    page = write_report(ReportInputs.read(results))
    assert (
        "Measure the times again: tk-T1 took 235 ms, tk-T2 took 7.7 ms per query, though these are built alike"
        in lead(page)
    )
    assert "times as fast" not in lead(page)
    assert next(cells(page, "matrix", "tk"))[-1].endswith("?")
    assert not next(cells(page, "matrix", "dot"))[-1].endswith("?")
    show_results(results)
    assert "Measure the times again: tk-T1 took 235.0 ms, tk-T2 took 7.7 ms" in capsys.readouterr().out


def test_a_student_without_a_control_has_a_dash_and_no_gain(matrix_page: str) -> None:
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    figures = {name: [f"{metrics[f'prettr-{other}'][name]:.3f}" for other in ("start", "T1", "T2")] for name in MATRIX}
    wanted = [[start, "–", *taught] for start, *taught in figures.values()]
    assert next(cells(matrix_page, "matrix", "prettr"))[:8] == [cell for cells in wanted for cell in cells]
    assert "None is shown for prettr-T1 and prettr-T2, since there is no control." in matrix_page


@pytest.fixture
def warm_params(tiny_params: Params) -> Params:
    """A student that starts from its teacher's layers, with one that starts from the backbone."""
    values = tiny_params.model_dump()
    dot = values["students"]["dot"]
    values["students"] = {"dot": dot, "warm": dot | {"start": "teacher"}}
    values["matrix"] |= {"controls": ["dot", "warm"], "controls_per_teacher": []}
    values["ensembles"]["T2"]["members"] = ["T1b", "T1"]
    return Params.model_validate(values)


def page_of(params: Params, directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(directory)
    write_results(params, write_collection())
    return " ".join(write_report(ReportInputs.read(params)).split())


def test_no_gain_is_shown_over_a_control_that_starts_elsewhere(
    warm_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(warm_params, tmp_path, monkeypatch)
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    row = next(cells(page, "matrix", "warm"))
    # A figure each, and none beneath; both starts in one cell.
    assert row[1:4] == [f"{metrics[name]['nDCG@10']:.3f}" for name in ("warm", "warm-T1", "warm-T2")]
    assert row[0].split() == [f"{metrics[f'warm-start-{teacher}']['nDCG@10']:.3f}" for teacher in ("T1", "T2")]
    assert "None is shown for warm-T1 and warm-T2, since no control starts from the same layers of a teacher." in page


def test_a_control_of_its_own_is_what_such_a_student_is_compared_with(
    warm_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = warm_params.matrix.model_copy(update={"controls_per_teacher": ["warm"]})
    page = page_of(warm_params.model_copy(update={"matrix": matrix}), tmp_path, monkeypatch)
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    row = next(cells(page, "matrix", "warm"))
    alone = [metrics[name]["nDCG@10"] for name in ("warm-control-T1", "warm-control-T2", "warm")]
    assert row[1].split() == [f"{value:.3f}" for value in alone]
    for place, teacher in ((2, "T1"), (3, "T2")):
        gain = metrics[f"warm-{teacher}"]["nDCG@10"] - metrics[f"warm-control-{teacher}"]["nDCG@10"]
        assert number(row[place].split()[-1]) == pytest.approx(gain, abs=6e-4)
    assert "None is shown" not in page
    assert "warm-T2 learned from 1,090 triples, warm-control-T2 from the 64 with labels among them." in page


@pytest.mark.parametrize("own", [True, False])
def test_an_imports_students_are_compared_with_what_learned_from_its_triples(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    values = tiny_params.model_dump() | {"teachers": {}, "ensembles": {}}
    values["imports"] = {"T3": {"location": "scores.tsv", "checksum": None}}
    values["students"].pop("tk")
    values["matrix"] |= {"teachers": ["T3"], "controls_per_teacher": ["dot"] if own else []}
    params = Params.model_validate(values)
    assert control_of(params, "dot", "T3") == ("dot-control-T3" if own else None)
    page = page_of(params, tmp_path, monkeypatch)
    said = "dot-T3 learned from 250 triples, dot-control-T3 from the 150 with labels among them."
    assert (said in page) == own
    assert ("None is shown for dot-T3, since no control learns from the triples of T3." in page) != own


def test_the_untrained_backbone_and_starts_are_measured_but_no_students_of_the_headline(
    results: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads(layout.METRICS.read_text())
    metrics["rerank"]["dot-start"]["nDCG@10"] = metrics["rerank"]["backbone"]["nDCG@10"] = 0.999
    write_json(layout.METRICS, metrics)
    page = write_report(ReportInputs.read(results))
    assert "dot-start" not in page[page.index('class="lead"') : page.index("</dl>")]
    assert next(cells(page, "matrix", "dot"))[0] == "0.999"
    assert next(cells(page, "matrix", "backbone"))[1] == "0.999"
    assert list(cells(page, "matrix", "dot-start")) == [], "a start stands in its student's row"
    show_results(results)
    printed = capsys.readouterr().out
    assert "at its start" in printed and "backbone" in printed and "dot-start" in printed


def test_they_can_be_left_out(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = tiny_params.evaluation.model_copy(update={"untrained": []})
    page = page_of(tiny_params.model_copy(update={"evaluation": section}), tmp_path, monkeypatch)
    assert "dot-start" not in page
    assert list(cells(page, "matrix", "backbone")) == []


def test_members_of_an_ensemble_have_rows_and_the_ensemble_none(matrix_page: str) -> None:
    assert all(next(cells(matrix_page, "matrix", member)) for member in ("T1", "T1b", "T1c"))
    assert list(cells(matrix_page, "matrix", "T2")) == []
    assert "T2 is the mean of T1, T1b and T1c." in matrix_page


def test_only_what_was_searched_with_is_in_the_table_of_searching(matrix_page: str, matrix_params: Params) -> None:
    tables = {name: len(list(cells(matrix_page, "matrix", name))) for name in ["bm25", "T1", *matrix_params.students]}
    assert {name for name, count in tables.items() if count == 2} == {"bm25", "dot"}


def test_scores_and_margins_have_their_mean_and_deviation(matrix_page: str, matrix_params: Params) -> None:
    for name in model_names(matrix_params):
        scores = np.asarray(read_trec(layout.run_of(name, "rerank")).sort("passage_id")["score"]).reshape(12, 5)
        margins = scores[:, :1] - scores[:, 1:]
        shown = [cell for cell in next(cells(matrix_page, "spreads", name)) if "±" in cell]
        for cell, values in zip(shown, (scores[:, 0], scores[:, 1:], margins), strict=True):
            mean, deviation = map(number, cell.split("±"))
            assert mean == pytest.approx(values.mean(), abs=0.06)
            assert deviation == pytest.approx(values.std(), abs=0.06)


def test_the_margins_of_an_ensemble_are_its_members_mean(matrix_page: str) -> None:
    margins = {
        name: number(next(cells(matrix_page, "spreads", name))[-1].split("±")[0]) for name in ("T1", "T1b", "T1c", "T2")
    }
    assert margins.pop("T2") == pytest.approx(np.mean(list(margins.values())), abs=0.02)


def test_labels_have_their_figures_and_teachers_their_agreement(matrix_page: str) -> None:
    figures = json.loads(layout.LABEL_QUALITY.read_text())
    for name in ("T1", "T2"):
        margin = figures["teachers"][f"bm25/{name}"]["margin"]
        rows = [row for row in cells(matrix_page, "spreads", name) if f"{margin['mean']:.2f}" in " ".join(row)]
        assert rows, name
    shown = [number(row[0]) for row in cells(matrix_page, "agreement", "bm25/T1")]
    assert shown == [
        pytest.approx(pair["tau"], abs=5e-4) for pair in figures["agreement"] if pair["teachers"][0] == "bm25/T1"
    ]
    assert len(shown) == 3


def test_a_training_is_drawn_with_its_gradients_and_its_margins_beside_its_teachers(matrix_page: str) -> None:
    for name, is_taught in (("dot", False), ("dot-T1", True)):
        place = matrix_page.index(f'aria-label="Training of {name}:')
        drawing = matrix_page[place : matrix_page.index("</svg>", place)]
        lines = re.findall(r"fill: none; stroke: var\(--(ranker|muted)[-0-9]*\); stroke-width", drawing)
        assert lines == ["ranker"] * 3 + ["muted"] * is_taught + ["ranker"]  # loss, validation, margins, gradient
        assert [title in drawing for title in (">Loss<", ">Margin<", ">Gradient norm<")] == [True] * 3
        # The mean of two stretches, 8 % and 12 %.
        caption = matrix_page[matrix_page.rindex("<figcaption>", 0, place) : place]
        assert re.search(r"64 triples, 10\.0\W+%\W+padding", unescape(caption))


def test_an_ablation_shows_its_losses(matrix_page: str) -> None:
    assert "dot, margin-mse" in matrix_page
    assert "dot, mse" in matrix_page


def test_the_configuration_names_ensembles_and_matrix(matrix_page: str) -> None:
    assert "<caption>ensembles.T2</caption>" in matrix_page
    assert "<tr><th>members</th><td>T1, T1b, T1c</td></tr>" in matrix_page
    assert "<tr><th>controls</th><td>cat, colbert, dot, tk</td></tr>" in matrix_page


def test_the_examples_are_queries_with_what_rankers_put_on_top(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    assert len(re.findall(r"<h3>query number \d+</h3>", page)) == results.report.examples
    assert "relevant" in page


def test_text_is_shown_and_not_run(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    [script] = re.findall(r"<script.*?>(.*?)</script>", page, re.DOTALL)
    assert "alert" not in script
    assert "&lt;script&gt;" in page
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page, "no other is run"


def test_the_page_fetches_nothing(results: Params) -> None:
    page = write_report(ReportInputs.read(results))
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", page)
    assert not re.search(r"url\((?!#)|@import|<(link|img|iframe|base)\\b", page)


def test_the_same_results_give_the_same_bytes(matrix_page: str, matrix_params: Params) -> None:
    assert write_report(ReportInputs.read(matrix_params)) == matrix_page


def test_terminal_and_artifact_have_a_student_in_one_row(
    matrix_page: str, matrix_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads(layout.METRICS.read_text())
    values = [f"{metrics['rerank'][name]['nDCG@10']:.3f}" for name in ("dot-start", "dot", "dot-T1", "dot-T2")]
    assert f"| dot | {' | '.join(values)} |" in results_page(metrics)
    show_results(matrix_params)
    assert re.search(rf"│ dot +│ +{' │ +'.join(values)} │", capsys.readouterr().out)


def test_over_seeds_a_figure_is_a_mean_and_its_test_compares_each_querys_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_params.model_dump()
    values["matrix"] |= {"teachers": ["T1"], "seeds": [2, 3]}
    params = Params.model_validate(values)
    monkeypatch.chdir(tmp_path)
    write_results(params, write_collection())
    page = write_report(ReportInputs.read(params))
    metrics = json.loads(layout.METRICS.read_text())["rerank"]
    taught, control = (
        [metrics[name]["nDCG@10"] for name in (own, f"{own}~2", f"{own}~3")] for own in ("dot-T1", "dot")
    )
    figure, *mark, sign, deviation, gain = next(cells(page, "matrix", "dot"))[2].split()
    assert (figure, sign, deviation) == (f"{np.mean(taught):.3f}", "±", f"{np.std(taught, ddof=1):.3f}")
    assert number(gain) == pytest.approx(np.mean(taught) - np.mean(control), abs=6e-4)
    seeds = {"dot-T1": 3, "dot": 3, "tk-T1": 3}
    by_query = {
        name: np.mean(
            [per_query(f"{name}~{seed}" if seed > 1 else name, "nDCG@10") for seed in range(1, seeds.get(name, 1) + 1)],
            axis=0,
        )
        for name in (*seeds, "T1", "bm25", "dot-start", "tk-start")
    }
    others = {"dot-T1": ["dot", "T1", "bm25", "dot-start"], "tk-T1": ["T1", "bm25", "tk-start"]}
    pairs = [(by_query[taught], by_query[other]) for taught, those in others.items() for other in those]
    t_tests = by_holm([float(ttest_rel(*both).pvalue) for both in pairs])
    told = "< 0.001" if t_tests[0] < 0.001 else f"= {t_tests[0]:.3f}"
    assert f"t-test p {unescape(told)}" in unescape(page)
    assert mark == ["▲"]
    show_results(params)
    printed = capsys.readouterr().out
    written = f"{np.mean(taught):.3f} ± {np.std(taught, ddof=1):.3f}"
    assert written in printed
    assert "Tests in nDCG@10: Re-ranking BM25's candidates" in " ".join(printed.split())
    inputs = ReportInputs.read(params)
    assert written in write_summary(inputs, page).replace("**", "")
    assert written.replace("±", r"$\pm$") in re.sub(r"\\textbf\{([^}]*)\}", r"\1", latex_tables(inputs))
    assert page.count(f"<small>±&nbsp;{np.std(taught, ddof=1):.3f}</small>") == 2, "in both tables of the page"
    assert written in results_page(json.loads(layout.METRICS.read_text()))
    assert "~2" not in page + printed


@pytest.fixture
def two_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params) -> Params:
    """Results on two test sets, from a run that was given, some of whose figures somebody published."""
    monkeypatch.chdir(tmp_path)
    published = {
        "collection": "aws-api-docs",
        "test_set": "dl19",
        "task": "rerank",
        "measure": "nDCG@10",
        "source": "a paper, table 2",
    }
    values = tiny_params.model_dump()
    values["candidates"]["runs"] = [{"location": "run.trec", "checksum": None}]
    values["evaluation"]["minimum_relevance"] = {"dl19": 1, "dl20": 1}
    first = Params.model_validate(values)
    write_results(first, write_collection(lambda number: "dl19" if number < 5 else "dl20"))
    got = json.loads(layout.METRICS.read_text())["dl19/rerank"]
    figures = {
        "given": got["given"]["nDCG@10"] + 0.004,
        "T1": got["T1"]["nDCG@10"] - 0.02,
        "dot-T1": got["dot-T1"]["nDCG@10"] + 0.021,
    }
    other = published | {"test_set": "dl20", "task": "retrieve", "figures": {"T1": 0.5}}
    noise = {"seed_noise": 0.004, "near": 0.02}
    values["report"]["expected"] = [
        published | noise | {"figures": figures},
        other | noise,
        published | noise | {"collection": "scifact", "source": "another paper", "figures": {"T1": 0.123}},
    ]
    return Params.model_validate(values)


def test_test_sets_stand_apart(two_sets: Params) -> None:
    page = write_report(ReportInputs.read(two_sets))
    metrics = json.loads(layout.METRICS.read_text())
    assert list(metrics) == ["dl19/rerank", "dl20/rerank", "dl19/retrieve", "dl20/retrieve"]
    assert "Re-ranking the given candidates: dl19" in page
    assert "Searching the whole collection: dl20" in page
    for task, row in zip(metrics, cells(page, "matrix", "given"), strict=True):
        assert number(row[1]) == pytest.approx(metrics[task]["given"]["nDCG@10"], abs=5e-4)
    assert "12 test queries (dl19: 5, dl20: 7)" in " ".join(page.split())
    # Nobody knows how long it took to find what was given.
    assert next(cells(page, "matrix", "given"))[-1] == "–"


def test_what_was_expected_is_graded(two_sets: Params, capsys: pytest.CaptureFixture[str]) -> None:
    page = write_report(ReportInputs.read(two_sets))
    grades = {"given": "within seed noise", "T1": "near", "dot-T1": "off"}
    assert "a paper, table 2" in page
    section = page[page.index('id="expected"') : page.index('id="cost"')]
    for ranker, grade in grades.items():
        assert re.search(rf"<th>{ranker}</th>.*?<td class=\"first\">{grade}</td>", section, re.DOTALL)
    assert "not measured" in section  # T1 does not search
    elsewhere = (
        "Not graded, for this collection is aws-api-docs: nDCG@10 of re-ranking: dl19 on scifact (another paper)."
    )
    assert elsewhere in section
    assert "0.123" not in section
    show_results(two_sets)
    printed = capsys.readouterr().out
    assert all(grade in printed for grade in [*grades.values(), "not measured"])
    assert "Re-ranking the given candidates: dl20" in printed
    assert elsewhere in " ".join(printed.split())


def test_a_test_set_without_a_minimum_relevance_is_named(two_sets: Params) -> None:
    section = two_sets.evaluation.model_copy(update={"minimum_relevance": {"dl19": 2}})
    lacking = two_sets.model_copy(update={"evaluation": section})
    assert lacking.minimum_relevance("dl19") == 2
    with pytest.raises(ParamsError, match=r"evaluation.minimum_relevance: got no entry 'dl20'"):
        lacking.minimum_relevance("dl20")


def test_the_tests_of_a_student_stand_beside_those_it_is_compared_with(
    matrix_page: str, compared: dict[tuple[str, str], tuple[float, float]]
) -> None:
    panel = matrix_page[matrix_page.index('<section id="tests">') :]
    first = panel[: panel.index("</details>")]
    # Ten taught students have a control, two have none; those of T2 have three teachers.
    assert "Re-ranking BM25&#39;s candidates: nDCG@10, 12 queries, 58 comparisons" in first
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in first.split("<tr>")[2:]]
    assert rows[0][:5] == ["cat-T1", per_query_mean("cat-T1"), "cat", "control,", per_query_mean("cat")]
    assert number(rows[0][5].rstrip("▲▼")) == pytest.approx(compared["cat-T1", "nDCG@10"][0], abs=6e-4)
    # The name stands once, before the first of its rows.
    assert [row[0] for row in rows[1:4]] == ["T1", "bm25", "cat-start"]


def per_query_mean(ranker: str) -> str:
    return f"{np.mean(per_query(ranker, 'nDCG@10')):.3f}"


def test_other_collections_and_baselines_stand_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    """On `other` a given run is re-ranked; `minilm` was trained elsewhere."""
    monkeypatch.chdir(tmp_path)
    values = tiny_params.model_dump()
    values["baselines"] = {"minilm": {"checkpoint": "minilm"}}
    runs = {"candidates": {"runs": [{"location": "run.trec", "checksum": None}]}}
    values["evaluations"] = {"other": {"source": "beir", "location": "other"} | runs}
    params = Params.model_validate(values)
    write_results(params, write_collection(lambda _: "test"))
    own = pl.read_parquet(layout.MEASURES)
    other = own.with_columns(task="other/" + pl.col("task"), ranker=pl.col("ranker").str.replace("^bm25$", "given"))
    # As where `other` re-ranks so few passages that RR@10 told nothing.
    fewer = other.filter((pl.col("measure") != "RR@10") | (pl.col("task") != "other/rerank"))
    pl.concat([own, fewer]).write_parquet(layout.MEASURES)
    metrics = json.loads(layout.METRICS.read_text())
    renamed = {
        f"other/{task}": {name.replace("bm25", "given"): means for name, means in scores.items()}
        for task, scores in metrics.items()
    }
    renamed["other/rerank"] = {
        name: {measured: value for measured, value in values.items() if measured != "RR@10"}
        for name, values in renamed["other/rerank"].items()
    }
    write_json(layout.METRICS, metrics | renamed)
    page = write_report(ReportInputs.read(params))
    for told in ("Re-ranking BM25", "Re-ranking the given candidates: other", "Searching the whole collection: other"):
        assert told in page
    assert "given, minilm" in page
    # What was given is of `other` alone: at re-ranking and at searching.
    assert [row[1] for row in cells(page, "matrix", "given")] == [row[1] for row in cells(page, "matrix", "bm25")]
    inputs = ReportInputs.read(params)
    assert inputs.compared_by("rerank") == inputs.compared_by("other/retrieve") == MATRIX
    assert inputs.compared_by("other/rerank") == ["nDCG@10", "AP@1000"]
    assert page.count('<th class="first">ms per query</th>') == 2, "on `other` nobody took the time"
    show_results(params)
    assert "Re-ranking the given candidates: other" in capsys.readouterr().out


@pytest.mark.parametrize("same", [True, False], ids=["of the same queries", "of others"])
def test_an_index_is_timed_below_its_student_with_the_mean_that_the_audit_found(results: Params, same: bool) -> None:
    times = {"end to end": {"p50": 7.0, "p95": 20.0, "p99": 30.0}}
    one = {"depth": 10, "milliseconds": {"10": {"1": times, "2": times}}}
    latency = json.loads(layout.LATENCY.read_text())
    write_json(layout.LATENCY, latency | {"deployed": dict.fromkeys(["bm25", "dot-hnsw-T1", "dot-T1"], one)})
    measured = json.loads(layout.METRICS.read_text())["retrieve"]["dot-T1"]["nDCG@10"]
    audit = json.loads(layout.AUDIT.read_text())
    audit["exact"]["dot-T1"]["effectiveness"]["nDCG@10"] = round(measured, 4) if same else round(measured, 4) - 0.01
    audit["indexes"]["dot-hnsw-T1"]["effectiveness"]["nDCG@10"] = 0.123
    write_json(layout.AUDIT, audit)
    page = write_report(ReportInputs.read(results))
    order = re.findall(r"</i>([\w-]+)</th>", page[page.index('<section id="deployed">') :])[:3]
    assert order == ["bm25", "dot-T1", "dot-hnsw-T1"]
    assert next(cells(page, "sortable deployed", "dot-T1"))[1] == f"{measured:.3f}"
    assert next(cells(page, "sortable deployed", "dot-hnsw-T1"))[:2] == ["10", "0.123" if same else ""]


def test_systems_stand_beside_the_rankers_with_their_times_and_weights(results: Params) -> None:
    fused = ["bm25", "dot-T1"]
    systems = {
        "weighted": {"fuse": fused, "by": "weights", "depth": 20},
        "cascade": {"first": "weighted", "rerank": "tk-T1"},
    }
    params = Params.model_validate(results.model_dump() | {"systems": systems})
    metrics, measures = json.loads(layout.METRICS.read_text()), pl.read_parquet(layout.MEASURES)
    of_dot = measures.filter(pl.col("ranker") == "dot-T1", pl.col("task") == "retrieve")
    for name in systems:
        metrics["retrieve"][name] = metrics["retrieve"]["dot-T1"]
        measures = pl.concat([measures, of_dot.with_columns(ranker=pl.lit(name))])
    measures.write_parquet(layout.MEASURES)
    write_json(layout.METRICS, metrics)
    tuned = {"value": 0.5, "alone": {"bm25": 0.25, "dot-T1": 0.4}, "alike": 0.45}
    write_json(layout.weights_of("weighted"), {"weights": {"bm25": 0.35, "dot-T1": 0.65}, "tuned": tuned})

    def timed(depth: int, *names: str) -> dict[str, Any]:
        times = {name: {"p50": 7.0 + place, "p95": 20.0, "p99": 30.0} for place, name in enumerate(names)}
        slower = {name: {share: 2 * time for share, time in one.items()} for name, one in times.items()}
        return {"depth": depth, "milliseconds": {"10": {"1": slower, "2": times}, "100": {"1": slower, "2": times}}}

    parts = ["end to end", "first stage", "re-ranking", "store reads"]
    deployed = {"bm25": timed(10, *parts[:1]), "tk-T1": timed(10, *parts), "cascade": timed(100, *parts)}
    latency = json.loads(layout.LATENCY.read_text())
    write_json(layout.LATENCY, latency | {"deployed": deployed})
    inputs = ReportInputs.read(params)
    page = write_report(inputs)
    value = f"{metrics['retrieve']['dot-T1']['nDCG@10']:.3f}"
    # At the depth where it is measured, then at others; medians with both threads, then with one.
    assert [*cells(page, "sortable deployed", "cascade")] == [
        ["100", value, "8.0", "9.0", "10.0", "7.0", "20.0", "30.0", "14.0"],
        ["10", "", "8.0", "9.0", "10.0", "7.0", "20.0", "30.0", "14.0"],
    ]
    of_tk = next(cells(page, "sortable deployed", "tk-T1"))
    assert of_tk[:2] == ["10", f"{metrics['rerank']['tk-T1']['nDCG@10']:.3f}"]
    assert next(cells(page, "sortable deployed", "bm25"))[2:5] == ["", "", ""]
    assert "weighted is 0.35 bm25 + 0.65 dot-T1, tuned on dev queries: nDCG@10 0.500; all alike 0.450" in page
    assert "tk-T1 re-ranks the best 20 of weighted" in page and "nDCG@10 of searching against milliseconds" in page
    # In both tables of searching too; `weighted` was not timed.
    assert [next(cells(page, "matrix", name))[-1] for name in systems] == ["–", "7.0"]
    rows = re.findall(r'<tr class="system">.*?</tr>', page, re.DOTALL)
    assert [re.findall(r"<td>([^<]*)</td>", row)[-1] for row in rows] == ["–", "7.0"]
    compared = {(one.ranker, one.role, one.other) for one in inputs.tests if one.task == "retrieve"}
    assert {("weighted", "first stage", "bm25"), ("weighted", "part", "dot-T1")} <= compared
    assert ("cascade", "part", "weighted") in compared
    assert not any(one.ranker in systems for one in inputs.tests if one.task == "rerank")
    assert "weighted" in write_summary(inputs, page) and "weighted" in latex_tables(inputs)
