"""Distillation from what others made: their collection, candidates, triples and scores; no teacher."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML
from tests.conftest import DATASETS, ROOT, Command, write_graph_of
from tests.test_pipeline import clone

from distilrank.config.params import Params
from distilrank.stages.collect import collect
from distilrank.stages.import_scores import import_scores

pytestmark = pytest.mark.slow(20)

MINI = DATASETS / "msmarco-teacher-mini"
needs_mini = pytest.mark.skipif(not MINI.is_dir(), reason=f"{MINI} is not there")
# Its ten queries, all for training, as splits of our own.
SPLITS = {"train": range(6), "dev": range(6, 8), "dl19": [8], "dl20": [9]}


@needs_mini
def test_students_learn_from_published_scores_alone(tmp_path: Path, run_here: Command) -> None:
    """By the commands that `dvc repro` runs."""
    project = clone(tmp_path)
    write_collection(project / "collections" / "mini")
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "tests" / "params.tiny.yaml")
    splits = {split: split for split in SPLITS}
    run = {"location": "collections/mini/run.trec", "checksum": None}
    triples = {"location": "collections/mini/triples.tsv", "checksum": None, "columns": "ids", "count": None}
    params |= {
        "collection": {"source": "beir", "location": "collections/mini", "splits": splits},
        "candidates": params["candidates"] | {"runs": [run]},
        "triples": {"bm25": triples},
        "teachers": {},
        "ensembles": {},
        "imports": {"T2": {"location": str(MINI / "teacher_scores.tsv"), "checksum": None}},
        "students": {"dot": params["students"]["dot"]},
        "matrix": {
            "teachers": ["T2"],
            "controls": ["dot"],
            "controls_per_teacher": ["dot"],
            "seeds": [],
        },
        "evaluation": {
            "depth": 10,
            "minimum_relevance": {"dl19": 1, "dl20": 1},
            "untrained": ["rerank", "retrieve"],
        },
    }
    with (project / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    write_graph_of(project)
    said = ""
    for words in commands_of_dvc(project):
        done = run_here(project, *words.split())
        assert done.returncode == 0, done.stdout + done.stderr
        said += done.stdout
    metrics = json.loads((project / "evaluation/metrics.json").read_text())
    assert sorted(metrics) == ["dl19/rerank", "dl19/retrieve", "dl20/rerank", "dl20/retrieve"]
    assert list(metrics["dl20/rerank"]) == ["given", "backbone", "dot-start", "dot", "dot-control-T2", "dot-T2"]
    # The control of what learns from an import learns from the import's triples that have labels.
    assert list(metrics["dl20/retrieve"]) == list(metrics["dl20/rerank"])
    train = len(SPLITS["train"])
    labelled = [line for line in lines() if line[2] in sorted(positives())[:train]]
    assert triples_of(project, "dot-control-T2") == len(labelled) == 150
    # The given run puts the positive of these queries where the teacher's scores do.
    best = {query: max(scores, key=lambda passage: scores[passage]) for query, scores in scores_by_query().items()}
    for name, [number] in (("dl19", SPLITS["dl19"]), ("dl20", SPLITS["dl20"])):
        query = list(best)[number]
        assert (metrics[f"{name}/rerank"]["given"]["nDCG@10"] == 1) == (best[query] == positives()[query])
    counts = json.loads((project / "data/triples/bm25/manifest.json").read_text())["counts"]
    assert counts["given"] == counts["triples"] == 150
    # Students learn from what their controls do: the lines of training queries, 25 a query.
    left_out = {"of dev queries": 50, "of dl19 queries": 25, "of dl20 queries": 25}
    counts = json.loads((project / "labels/imported/T2/manifest.json").read_text())["counts"]
    assert counts == {"given": 250, "dropped": 0, **left_out, "triples": 150}
    assert "labels/imported/T2: 250 given, 0 dropped, 50 of dev queries" in said
    given, learned = (
        project / place for place in ("data/triples/bm25/triples.parquet", "labels/imported/T2/labels.parquet")
    )
    assert pl.read_parquet(learned).select("query_id", "positive_id", "negative_ids").equals(pl.read_parquet(given))
    quality = json.loads((project / "evaluation/labels.json").read_text())["teachers"]["imported/T2"]
    assert quality["triples"] == 150
    train = [line for line in lines() if line[2] in sorted(positives())[:6]]
    negative = [line for line in train if float(line[0]) < float(line[1])]
    assert quality["negative_margins"] == pytest.approx(len(negative) / len(train))
    page = (project / "report/report.html").read_text()
    assert "dot-T2" in page and "T1" not in page
    assert "Re-ranking the given candidates: dl20" in page
    assert "dot-T2" in run_here(project, "distilrank", "results").stdout


@needs_mini
def test_a_run_teaches_where_no_training_query_has_labels(tmp_path: Path, run_here: Command) -> None:
    """By the commands that `dvc repro` runs. There is no control, because a control learns labels."""
    project = clone(tmp_path)
    folder = project / "collections" / "mini"
    write_collection(folder)
    (folder / "qrels" / "train.tsv").unlink()
    queries = (folder / "queries.jsonl").read_text().splitlines(keepends=True)
    without = set(sorted(positives())[: len(SPLITS["train"])])
    (folder / "unlabelled.jsonl").write_text("".join(line for line in queries if json.loads(line)["_id"] in without))
    (folder / "queries.jsonl").write_text("".join(line for line in queries if json.loads(line)["_id"] not in without))
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load(ROOT / "tests" / "params.tiny.yaml")
    splits = {split: split for split in SPLITS if split != "train"}
    params |= {
        "collection": {
            "source": "beir", "location": "collections/mini", "splits": splits, "unlabelled": "unlabelled.jsonl"
        },
        "teachers": {},
        "ensembles": {},
        "imports": {
            "R": {"form": "run", "location": "collections/mini/run.trec", "checksum": None, "positive_ranks": 3}
        },
        "students": {"dot": params["students"]["dot"]},
        "matrix": {"teachers": ["R"], "controls": [], "controls_per_teacher": [], "seeds": []},
        "evaluation": {
            "depth": 10, "minimum_relevance": {"dl19": 1, "dl20": 1}, "untrained": ["rerank", "retrieve"],
        },
    }  # fmt: skip
    with (project / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    write_graph_of(project)
    checked = run_here(project, "distilrank", "check")
    assert checked.returncode == 0, checked.stderr

    commands = commands_of_dvc(project)
    for words in commands:
        done = run_here(project, *words.split())
        assert done.returncode == 0, done.stdout + done.stderr

    assert not [words for words in commands if words.startswith("distilrank triples")]
    metrics = json.loads((project / "evaluation/metrics.json").read_text())
    assert list(metrics["dl19/retrieve"]) == ["bm25", "backbone", "dot-start", "dot-R"]
    assert triples_of(project, "dot-R") > 0
    # What is asked if no system is named.
    assert "(dot-R)" in run_here(project, "distilrank", "search", "what is it").stdout


def commands_of_dvc(project: Path) -> list[str]:
    """Of all stages, those first that others depend on."""
    from dvc.repo import Repo
    from networkx import topological_sort

    with Repo(str(project)) as repo:
        return [stage.cmd for stage in reversed(list(topological_sort(repo.index.graph)))]


def triples_of(project: Path, model: str) -> int:
    manifest = json.loads((project / "models" / model / "manifest.json").read_text())
    number: int = manifest["counts"]["triples"]
    return number


def lines() -> list[list[str]]:
    """Lines of pos_score, neg_score, query_id, pos_passage_id, neg_passage_id."""
    return [line.split("\t") for line in (MINI / "teacher_scores.tsv").read_text().splitlines()]


def positives() -> dict[str, str]:
    return {query: positive for _, _, query, positive, _ in lines()}


def scores_by_query() -> dict[str, dict[str, float]]:
    """The teacher's scores of each query's passages, the queries in the order of their ids."""
    scores: dict[str, dict[str, float]] = {query: {} for query in sorted(positives())}
    for high, low, query, positive, negative in lines():
        scores[query] |= {positive: float(high), negative: float(low)}
    return scores


def write_collection(directory: Path) -> None:
    """In BEIR's layout, with a run by the teacher's scores, and the triples of the training queries."""
    (directory / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        (directory / name).write_bytes((MINI / name).read_bytes())
    queries = sorted(positives())
    for split, numbers in SPLITS.items():
        rows = [f"{queries[number]}\t{positives()[queries[number]]}\t1" for number in numbers]
        (directory / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, ""]))
    run = [f"{q} Q0 {p} 1 {score} teacher" for q, scores in scores_by_query().items() for p, score in scores.items()]
    (directory / "run.trec").write_text("\n".join([*run, ""]))
    train = [queries[number] for number in SPLITS["train"]]
    triples = [f"{query}\t{positive}\t{negative}" for _, _, query, positive, negative in lines() if query in train]
    (directory / "triples.tsv").write_text("\n".join([*triples, ""]))


@needs_mini
def test_an_import_follows_what_collect_moved_and_dropped(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten training queries, some moved to dev; of the passages one, which a line names, without a text."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "collections" / "mini"
    shutil.copytree(MINI, folder)
    blank = lines()[0][4]
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
    emptied = [row | {"title": "", "text": ""} if row["_id"] == blank else row for row in corpus]
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in emptied))
    section = {"source": "beir", "location": str(folder), "on_error": "drop", "dev_share": 0.3}
    imports = {"T3": {"location": str(MINI / "teacher_scores.tsv"), "checksum": None}}
    params = Params.model_validate(tiny_params.model_dump() | {"collection": section, "imports": imports})
    collect(params)
    counts = import_scores(params, "T3")
    queries = pl.read_parquet("data/collection/queries.parquet")
    train, dev = (queries.filter(pl.col("split") == split)["query_id"].to_list() for split in ("train", "dev"))
    assert train and dev
    named = [line for line in lines() if blank in line[3:]]
    assert named
    of_dev = [line for line in lines() if line[2] in dev and line not in named]
    learned = [line for line in lines() if line[2] in train and line not in named]
    assert counts == {
        "given": 250, "dropped": len(named), "of dev queries": len(of_dev), "triples": len(learned)
    }  # fmt: skip
    labels = pl.read_parquet("labels/imported/T3/labels.parquet").explode("negative_ids")
    assert labels["negative_ids"].to_list() == [line[4] for line in learned]
