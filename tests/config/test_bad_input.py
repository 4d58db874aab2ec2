"""A user's mistake: exit code 2, one line that says what, where and what to do, and nothing written."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.conftest import ROOT, Command

from distilrank.config.derived import built_indexes
from distilrank.config.params import Params
from distilrank.config.systems import first_stages
from distilrank.data.collection import SCHEMAS

TINY = (ROOT / "tests" / "params.tiny.yaml").read_text()
# What a test replaces by another section.
REPORT = next(line for line in TINY.splitlines() if line.startswith("report:"))


@pytest.fixture
def refused(tmp_path: Path, run_here: Command) -> Callable[..., str]:
    """Runs a command in a project with these params and gives back its refusal: a line, or of params one per fault."""

    def run(params: str | None, *words: str) -> str:
        if params is not None:
            (tmp_path / "params.yaml").write_text(params)
        before = sorted(tmp_path.rglob("*"))
        done = run_here(tmp_path, "distilrank", *words)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        first, *others = done.stderr.splitlines()
        assert first.startswith("distilrank: "), done.stderr
        assert all(line.startswith("params.yaml: ") for line in others), done.stderr
        assert sorted(tmp_path.rglob("*")) == before
        return done.stderr

    return run


def test_all_that_is_wrong_is_told_at_once_by_the_keys_of_the_file_with_the_nearest_known_ones(
    refused: Callable[..., str],
) -> None:
    wrong = TINY.replace("passage_length:", "pasage_length:").replace("minimum_words: 12", "minimum_words: twelve")
    wrong = wrong.replace("loss: {name: weighted-ranknet}", "loss: {name: listwise-kl, temprature: 2}")
    lines = refused(wrong, "collect").removeprefix("distilrank: ").splitlines()
    assert [line.partition(", expected")[0] for line in lines] == [
        "params.yaml: tokens.pasage_length: got an unknown key",
        "params.yaml: students.tk.loss.temprature: got an unknown key",
        "params.yaml: collection.minimum_words: got 'twelve'",
    ]
    assert [line.rpartition("; ")[2] for line in lines[:2]] == [
        "did you mean passage_length?", "did you mean temperature?"
    ]  # fmt: skip


def test_a_command_of_its_own_ends_with_exit_code_2_and_one_line(tmp_path: Path, command: Command) -> None:
    done = command(tmp_path, "distilrank", "collect")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "distilrank: params.yaml: got no such file, expected the parameters; run from the root of the project"
    ]


@pytest.mark.parametrize(
    ("change", "to", "expected"),
    [
        ("minimum_words: 12", "minimum_word: 12", r"collection.minimum_word: got an unknown key"),
        ("depth: 20", "depth: many", "params.yaml: candidates.depth: got 'many'.*valid integer"),
        ("depth: 20", "depth: 0", "params.yaml: candidates.depth: got 0.*greater than or equal to 1"),
        ("evaluation: {depth: 10", "evaluation: {depth: 9", "evaluation.depth: got 9.*greater than or equal to 10"),
        ("  dot:\n", "  bm25:\n", "bm25 has another meaning in the results"),
        (
            "evaluations: {}",
            "evaluations: {collection: {source: beir, location: here}}",
            "evaluations.collection.*: .*choose another name: collection is the one that models learn from",
        ),
        (
            "evaluations: {}",
            "evaluations: {scifact: {source: beir, locatoin: here}}",
            "params.yaml: evaluations.scifact.locatoin: got an unknown key",
        ),
        (
            "evaluations: {}",
            "evaluations: {scifact: {source: bier, location: here}}",
            "params.yaml: evaluations.scifact.source: got 'bier', expected one of 'aws-api-docs'",
        ),
        (
            "evaluations: {}",
            "evaluations: {scifact: {source: beir, location: here, depth: 200}}",
            "evaluations.scifact.depth is 200, beyond evaluations.scifact.candidates.depth, 100",
        ),
        (
            "evaluation: {depth: 10, measures: [nDCG@10, RR@10, AP@1000, R@20, R@100], minimum_relevance: 1,\n"
            "  untrained: [rerank, retrieve]}\n"
            "evaluations: {}",
            "evaluation: {depth: 20, measures: [R@12, nDCG@10]}\n"
            "evaluations: {scifact: {source: beir, location: here, depth: 12}}",
            "evaluations.scifact re-ranks 12 passages, and R@12, the first of evaluation.measures, is the same for "
            "every order of these: name another first, or re-rank more",
        ),
        (
            "evaluations: {}",
            "evaluations: {a-b: {source: beir, location: here}}",
            "evaluations.a-b.*: got 'a-b', expected .*pattern",
        ),
        (
            "baselines: {}",
            "baselines: {T1: {checkpoint: minilm}}",
            r"imports, students, baselines and systems must differ in name; more than one has \['T1'\]",
        ),
        ("learning_rate: 1e-4", "learning_rate: 2", "teachers.T1.training.learning_rate: got 2.*less than 1"),
        ("validate_every: 2", "validate_every: 4", "steps must be a multiple of validate_every"),
        (
            "RR@10",
            "ERR@20",
            r"evaluation.measures.1: got 'ERR@20', expected a measure by its name in ir-measures, such as nDCG@10, .* "
            r"\(trec_eval does not compute it, and other programs are not installed\)",
        ),
        ("{nDCG@10: 0.01}", "{Foo: 0.01}", r"promotion.floors.rerank.Foo: got 'Foo', .*ir-measures does not know it"),
        ("RR@10", "NDCG@10", r"evaluation: .*measures has \['nDCG@10'\] more than once: name each once"),
        (
            "[nDCG@10, RR@10",
            "[P@10, RR@10",
            "measures begins with P@10, which is the same for every order of the 10 passages that are re-ranked",
        ),
        (
            "{nDCG@10: 0.01}",
            "{R@20: 0.01}",
            "promotion.floors may name the measures .*'AP@1000'] of rerank, not R@20",
        ),
        (
            "examples: 3",
            "examples: 3, expected: [{collection: aws-api-docs, task: retrieve, measure: R@100, source: x, "
            "seed_noise: .1, near: .1, figures: {bm25: 1}}]",
            "report.expected may name the measures .*'R@20'] of retrieve, not R@100: these follow from eval",
        ),
        (
            "{queries: 10, depth: 5,",
            "{measure: R@10, queries: 10, depth: 5,",
            "validation.*measure is R@10, which is the same for every order of the 5 passages that are re-ranked",
        ),
        (
            "validate_every: 3, patience: null",
            "validate_every: 2, patience: 2",
            "patience, 2, cannot run out before the last of 3 validations: set at most 1",
        ),
        (
            "warmup_share: 0.0, validate_every: 2, patience: null",
            "warmup_share: 0.0, validate_every: 2, patience: 1",
            "teachers.T1b.training: .*patience, 1, cannot run out before the last of 1 validations: set null",
        ),
        ("seeds: []", "seeds: [2, 1]", "matrix.seeds has 1, which students.dot has anyway: name others"),
        ("seeds: []", "seeds: [2, 2]", r"matrix: .*name each entry once; they are \[2, 2\]"),
        ("passages: 100}", "passages: 0}", "validation.passages: got 0.*greater than or equal to 1"),
        (
            "negatives_from: 10",
            "negatives_from: 30",
            "triples.bm25.negatives_from is 30, beyond candidates.train_depth, 20",
        ),
        (
            "  tk:\n",
            "  T2:\n",
            r"imports, students, baselines and systems must differ in name; more than one has \['T2'\]",
        ),
        (
            "architecture: tk",
            "architecture: kt",
            "students.tk.ranker.architecture: got 'kt', expected one of 'cat', 'p",
        ),
        (
            "members: [T1, T1b]",
            "members: [T1, T3]",
            r"ensembles.T2.members may name .*'T1', 'T1b', 'bm25'\], not \['T3'\]",
        ),
        ("members: [T1, T1b]", "members: [T1, T1]", "name each member once"),
        (
            "teachers: [T1, T2]",
            "teachers: [T1, dot]",
            r"matrix.teachers may name .*'T1', 'T1b', 'T2', 'bm25'\], not \['dot'\]",
        ),
        (
            "warmup_share: 0.0, validate_every: 2, patience: null, seed: 1}",
            "warmup_share: 0.1, validate_every: 2, patience: null, seed: 1, schedule: plateau}",
            "warmup_share is 0.1: set 0, since the schedule plateau has no warm-up",
        ),
        ("teachers: [T1, T2]", "teachers: [T1, T1]", "matrix: .*name each entry once"),
        ("controls: [dot]", "controls: [tod]", r"matrix.controls may name .*'dot', 'tk'\], not \['tod'\]"),
        ("controls: [dot]", "controls: [dots]", r"matrix.controls may name .*, not \['dots'\]: did you mean dot\?"),
        ("teachers: [T1, T2]", "teachers: [T1c]", r"matrix.teachers may name .* not \['T1c'\]: did you mean T1\?"),
        (
            "  dot: {kind: flat}",
            "  tk: {kind: flat}",
            r"indexes.tk may be of the students with a control and one vector per text \['dot'\], not tk",
        ),
        (
            "  dot: {kind: flat}",
            "  dot: {kind: maxsim}",
            r"indexes.dot may be of the students with a control and vectors that MaxSim compares \[\], not dot",
        ),
        (
            "  dot-hnsw: {of: dot, kind: hnsw, links: 8, build_width: 40, search_width: 40}",
            "  dot-hnsw: {of: dot, kind: pruned}",
            r"indexes.dot-hnsw may be of the students with a control and a sparse vector of term weights \[\], not dot",
        ),
        (
            "  dot: {kind: flat}\n",
            "",
            r"indexes.dot-hnsw is of dot, whose passages are not encoded .*: add dot: \{kind: flat\} to indexes",
        ),
        ("  dot: {kind: flat}", "  exact: {of: dot, kind: flat}", "indexes.exact is flat.* call it dot"),
        ("  dot-hnsw: {of: dot, kind: hnsw", "  dot-start: {of: dot, kind: hnsw", "audit.floors may name the approx"),
        (
            "floors: {dot-hnsw: 0.5}",
            "floors: {dot: 0.5}",
            r"audit.floors may name the approximate indexes \['dot-hnsw'\]",
        ),
        (
            "loss: {name: weighted-ranknet}",
            "loss: {name: listwise-kl}",
            "students.tk.loss.temperature: got nothing",
        ),
        (
            "control_loss: {name: ranknet}",
            "control_loss: {name: infonce}",
            "students.dot.control_loss.temperature: got nothing",
        ),
        (
            "control_loss: {name: ranknet}",
            "control_loss: {name: infonce, temperature: 0}",
            "students.dot.control_loss.temperature: got 0, expected .*greater than 0",
        ),
        (
            "control_loss: {name: ranknet}",
            "in_batch: {teacher: T1}",
            r"students.dot.in_batch.teacher may name the teachers \['T1b'\], whose texts meet in products .*, not T1",
        ),
        (
            "control_loss: {name: ranknet}",
            "in_batch: {teacher: T1b, loss: {name: infonce}}",
            "students.dot.in_batch.loss.name: got 'infonce', expected one of 'margin-mse'",
        ),
        (
            "control_loss: {name: ranknet}",
            "first_phase: {loss: {name: listwise-kl, temperature: 2.0}}",
            "students.dot.first_phase.loss: .*listwise-kl learns the teacher's scale: .*, such as weighted-ranknet",
        ),
        (
            "control_loss: {name: ranknet}",
            "first_phase: {share: 1.0}",
            "students.dot.first_phase.share: got 1.0, expected .*less than 1",
        ),
        (
            "control_loss: {name: ranknet}",
            "first_phase: {share: 0.01}",
            "students.dot: .*first_phase.share, 0.01, makes 0 of 6 steps: set a share",
        ),
        ("  dot:\n", "  start:\n", "start has another meaning in the results"),
        ("controls_per_teacher: []", "controls_per_teacher: [tod]", r"controls_per_teacher may name .* not \['tod'\]"),
        ("untrained: [rerank, retrieve]", "untrained: [retrieve]", "name rerank as well"),
        (
            "pooling: mean}\n    start: backbone",
            "pooling: mean, scale: 0}\n    start: backbone",
            "students.dot.ranker.scale: got 0.*greater than 0",
        ),
        (
            "loss: {name: weighted-ranknet}",
            "loss: {name: mse, temperature: 2.0}",
            "students.tk.loss.temperature: got an unknown key",
        ),
        (
            "loss: {name: weighted-ranknet}",
            "loss: {name: ranknet}",
            "students.tk.loss.name: got 'ranknet', expected one of 'margin-mse'",
        ),
        ("imports: {}", "imports: {T9: {location: x, checksum: abc}}", "imports.T9.checksum: got 'abc'"),
        ("imports: {}", "imports: {T1: {location: x, checksum: null}}", r"more than one has \['T1'\]"),
        (
            "labels: {most_negative_margins: 1.0}",
            "labels: {most_negative_margins: 2.0}",
            "most_negative_margins: got 2.0",
        ),
        ("negatives: 1", "negatives: 11", "negatives is 11, more than negatives_from, 10"),
        (
            "negatives_from: 8",
            "negatives_from: 21",
            "triples.few.negatives_from is 21, beyond candidates.train_depth",
        ),
        (
            "learning_rate: 1e-3",
            "learning_rate: 1e-3, part_learning_rates: {kernel: 0.1}",
            r"part_learning_rates of tk may name \['kernels', 'embeddings'\], not \['kernel'\]",
        ),
        (
            "validate_every: 2, patience: null, seed: 1}\n    triples: bm25\nmatrix",
            "validate_every: 2, patience: null, seed: 1, lora: {}}\n    triples: bm25\nmatrix",
            "students.tk: .*tk has no layers for gradient_checkpointing, layer_decay and lora",
        ),
        (
            "architecture: tk",
            "architecture: prettr, layers: 3, join_layer: 3",
            "join_layer must be below layers, 3",
        ),
        (
            REPORT,
            "report: {examples: 3, expected: [{collection: x, task: rerank, measure: AP@1000, source: x, "
            "seed_noise: .2, near: .1, figures: {T1: .5}}]}",
            "near is 0.1, below seed_noise, 0.2",
        ),
        (
            REPORT,
            "report: {examples: 3, expected: [{task: rerank, measure: AP@1000, source: x, seed_noise: .1, near: .2, "
            "figures: {T1: .5}}]}",
            "report.expected.0.collection: got nothing, expected this key",
        ),
        (
            "matrix: {teachers: [T1, T2], controls: [dot], controls_per_teacher: [], seeds: []}",
            "",
            "params.yaml: matrix: got nothing, expected this key",
        ),
        (REPORT, "report: [", "got no YAML"),
        # As DVC refuses it.
        ("imports: {}", "imports: {T9: {location: x, mirrors: [https://y], checksum: null}}", "got no YAML"),
        (REPORT, "reports: {}\nreport: {examples: 3}", "params.yaml: reports: got an unknown key"),
    ],
)
def test_params(refused: Callable[..., str], change: str, to: str, expected: str) -> None:
    assert change in TINY
    assert re.search(expected, refused(TINY.replace(change, to, 1), "collect"))


def test_no_params_at_all(refused: Callable[..., str]) -> None:
    assert "params.yaml: got no such file" in refused(None, "collect")


def test_a_collection_that_is_empty(refused: Callable[..., str]) -> None:
    line = refused(TINY.replace("minimum_words: 12", "minimum_words: 100000"), "collect")
    assert "table passages: got an empty table" in line


def test_a_backbone_with_another_sha256(refused: Callable[..., str], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "data" / "collection", tmp_path / "data" / "collection")
    line = refused(re.sub(r"sha256: \w{5}", "sha256: 00000", TINY), "tokenize")
    assert re.search("backbone minilm: got sha256 53aa5.* expected 00000", line)


def test_a_backbone_that_is_nowhere(refused: Callable[..., str], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "data" / "collection", tmp_path / "data" / "collection")
    line = refused(TINY.replace("model: minilm", "model: no/../where"), "tokenize")
    assert "backbone no/../where: got" in line


@pytest.mark.parametrize(
    "words",
    ["tokenize", "candidates", "triples bm25", "teach T1", "score T1 bm25", "ensemble T2 bm25",
     "distil dot", "encode dot", "index dot-hnsw-T1", "evaluate T1", "metrics", "quality", "latency", "report",
     "search anything", "results", "export-scores labels/bm25/T1 package"],
)  # fmt: skip
def test_a_stage_before_its_inputs(refused: Callable[..., str], words: str) -> None:
    assert re.search(r"got no.*expected.*dvc repro", refused(TINY, *words.split()))


@pytest.mark.parametrize(
    ("words", "got"),
    [
        ("evaluate", "neither"),
        ("evaluate T1 --model elsewhere", "both"),
        ("evaluate T1 --collection other", "--collection or --target without --model"),
        ("evaluate --model models:/no-version", "--model models:/no-version .*"),
    ],
)
def test_what_is_measured_is_named_once(refused: Callable[..., str], words: str, got: str) -> None:
    assert re.search(f"evaluate: got {got}, expected a", refused(TINY, *words.split()))


def without(split: str, collection: Path) -> None:
    """Takes the queries of a split out of a collection."""
    for name in ("queries", "qrels"):
        table = pl.read_parquet(collection / f"{name}.parquet")
        table.filter(pl.col("split") != split).write_parquet(collection / f"{name}.parquet")


@pytest.mark.parametrize(
    ("split", "words", "expected"),
    [
        ("test", "evaluate T1", "got no test queries, expected some; .*collection.splits"),
        ("test", "teach T1", "got no test queries, expected some, .*collection.splits"),
        ("dev", "teach T1", "got no dev queries, expected some, .*collection.dev_share"),
    ],
)
def test_a_split_without_queries(
    refused: Callable[..., str], prepared: Path, tmp_path: Path, split: str, words: str, expected: str
) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    without(split, tmp_path / "data" / "collection")
    assert re.search(expected, refused(TINY, *words.split()))


def test_a_test_set_without_a_minimum_relevance(refused: Callable[..., str], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    line = refused(TINY.replace("minimum_relevance: 1", "minimum_relevance: {dl19: 2}"), "evaluate", "bm25")
    assert "evaluation.minimum_relevance: got no entry 'test', expected one of ['dl19']" in line


def test_more_layers_than_the_backbone_has(refused: Callable[..., str], prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    line = refused(TINY.replace("architecture: cat, layers: 2", "architecture: cat, layers: 7"), "teach", "T1")
    assert "got 6 layers, expected at least 7" in line


def test_a_device_that_is_not_there(refused: Callable[..., str], prepared: Path, tmp_path: Path,
                                    environment: dict[str, str]) -> None:  # fmt: skip
    shutil.copytree(prepared / "data", tmp_path / "data")
    environment["DISTILRANK_DEVICE"] = "tpu"
    try:
        assert "DISTILRANK_DEVICE: got 'tpu', expected cpu, or cuda" in refused(TINY, "teach", "T1")
    finally:
        environment["DISTILRANK_DEVICE"] = "cpu"


def test_a_teacher_that_params_do_not_name(refused: Callable[..., str]) -> None:
    assert "params.yaml: teachers: got no entry 'T2', expected one of ['T1', 'T1b']" in refused(TINY, "teach", "T2")
    assert "imports: got no entry 'T9'" in refused(TINY, "import-scores", "T9")
    assert refused(TINY, "teach", "T1bb").endswith("; did you mean T1b?\n")
    assert "teachers, ensembles and imports: got no entry 'T3'" in refused(TINY, "distil", "dot", "--teacher", "T3")


def test_a_student_cannot_start_from_scores_alone(refused: Callable[..., str]) -> None:
    params = TINY.replace("imports: {}", "imports: {T9: {location: x, checksum: null}}").replace("[T1, T2]", "[T1, T9]")
    line = refused(params.replace("start: backbone", "start: teacher", 1), "check")
    assert "students.dot cannot start from T9, which has scores but no weights" in line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1\t0\tnobody\ta\tb\n", "scores.tsv:1: got query_id 'nobody'"),
        ("1\tnan\tq\ta\tb\n", "scores.tsv:1: got neg_score 'nan'"),
        ("1\t0\tq\ta\n", "Row #1: Expected 5 columns, got 4"),
        ("1\t0\tq\ta\tb", "a last line without its end"),
    ],
)
def test_published_scores_with_a_fault(
    refused: Callable[..., str], prepared: Path, tmp_path: Path, line: str, expected: str
) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    (tmp_path / "scores.tsv").write_text(line)
    params = TINY.replace("imports: {}", "imports: {T9: {location: scores.tsv, checksum: null}}")
    assert expected in refused(params, "import-scores", "T9")


@pytest.mark.parametrize(("variable", "value"), [("DISTILRANK_WORKERS", "0"), ("DISTILRANK_GPUS_PER_WORKER", "some")])
def test_workers_that_cannot_be(
    refused: Callable[..., str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setitem(environment, variable, value)
    assert f"{variable}: got '{value}', expected a" in refused(TINY, "score", "T1", "bm25")


def own_tables(directory: Path, **changes: pl.DataFrame) -> str:
    """Writes a collection of one's own, with some tables changed, and gives back the params that read it."""
    tables = {
        "passages": pl.DataFrame({"passage_id": ["a", "b"], "title": ["", ""], "text": ["one", "two"]}),
        "queries": pl.DataFrame(
            {"query_id": ["q", "r", "s"], "text": ["one?", "two?", "one!"], "split": ["train", "dev", "test"]}
        ),
        "qrels": pl.DataFrame(
            {"query_id": ["q", "r", "s"], "passage_id": ["a", "b", "a"], "relevance": [1, 1, 1],
             "split": ["train", "dev", "test"]}
        ),
    }  # fmt: skip
    folder = directory / "collections" / "own"
    folder.mkdir(parents=True)
    for name in SCHEMAS:
        (tables | changes)[name].write_parquet(folder / f"{name}.parquet")
    section = "collection:\n  source: parquet\n  location: collections/own\n"
    return section + TINY[TINY.index("backbone:") :]


def test_ones_own_collection_is_read(tmp_path: Path, command: Command) -> None:
    (tmp_path / "params.yaml").write_text(own_tables(tmp_path))
    done = command(tmp_path, "distilrank", "collect")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "data/collection/passages.parquet")["passage_id"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"passages": {"passage_id": ["a", "a"], "title": ["", ""], "text": ["x", "y"]}},
         "got 1 passages with an id that another has .the first: 'a'..* expected none; .*on_error to drop"),
        ({"qrels": {"query_id": ["q", "r", "s"], "passage_id": ["a", "b", "zebra"], "relevance": [1, 1, 1],
                    "split": ["train", "dev", "test"]}}, "1 qrels of passages that are not there .*'zebra'"),
        ({"qrels": {"query_id": ["q", "r", "s"], "passage_id": ["a", "b", "a"], "relevance": [1, None, 1],
                    "split": ["train", "dev", "test"]}}, "1 qrels without a relevance .*'r'"),
        ({"queries": {"query_id": ["q"], "question": ["x"]}}, "queries.parquet.*question.*expected"),
    ],
)  # fmt: skip
def test_ones_own_collection_with_a_fault(
    refused: Callable[..., str], tmp_path: Path, changes: dict[str, dict[str, list[object]]], expected: str
) -> None:
    params = own_tables(tmp_path, **{name: pl.DataFrame(table) for name, table in changes.items()})
    assert re.search(expected, refused(params, "collect"))


def test_a_table_that_is_missing(refused: Callable[..., str], tmp_path: Path) -> None:
    params = own_tables(tmp_path)
    (tmp_path / "collections/own/qrels.parquet").unlink()
    assert "qrels.parquet: got no such file" in refused(params, "collect")


def test_a_file_that_is_no_parquet(refused: Callable[..., str], tmp_path: Path) -> None:
    params = own_tables(tmp_path)
    (tmp_path / "collections/own/qrels.parquet").write_text("query-id\tcorpus-id\tscore\n")
    assert re.search("qrels.parquet: got .*expected a Parquet file", refused(params, "collect"))


def in_beir_layout(directory: Path, corpus: bytes = b'{"_id": "a", "text": "one"}\n') -> str:
    """Writes a collection in BEIR's layout and gives back the params that read it."""
    folder = directory / "collections" / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_bytes(corpus)
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "one?"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    return "collection: {source: beir, location: collections/beir}\n" + TINY[TINY.index("backbone:") :]


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        (
            b'{"_id": "a", "text": "one"}\n[]\n',
            r"corpus.jsonl:2: got \[\], which is no object, expected a JSON object per line",
        ),
        (b'{"_id": "a", "text": "caf\xe9"}\n', "corpus.jsonl:1: got the byte 0xe9, which is not UTF-8"),
        (b'{"_id": "a\\tb", "text": "one"}\n', "1 passages with an id that is empty or holds white space"),
        (b'{"_id": "a\\u0000", "text": "one"}\n', "1 passages with an id that is empty or holds white space"),
        (b"", "corpus.jsonl: got an empty file"),
        (b"x" * 11_000_000, "corpus.jsonl:1: got more than 10,000,000 bytes"),
    ],
)
def test_a_collection_in_beirs_layout_with_a_fault(
    refused: Callable[..., str], tmp_path: Path, corpus: bytes, expected: str
) -> None:
    assert re.search(expected, refused(in_beir_layout(tmp_path, corpus), "collect"))


def test_a_directory_where_a_file_should_be(refused: Callable[..., str], tmp_path: Path) -> None:
    params = in_beir_layout(tmp_path)
    (tmp_path / "collections/beir/corpus.jsonl").unlink()
    (tmp_path / "collections/beir/corpus.jsonl").mkdir()
    assert "corpus.jsonl: got a directory, expected a file" in refused(params, "collect")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(refused: Callable[..., str], tmp_path: Path) -> None:
    params = in_beir_layout(tmp_path)
    (tmp_path / "collections/beir/corpus.jsonl").chmod(0)
    assert "corpus.jsonl: got Permission denied" in refused(params, "collect")


def test_s3_without_credentials(
    refused: Callable[..., str], tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in environment if name.startswith("AWS_")]:
        monkeypatch.delitem(environment, name)
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_CONFIG_FILE": "none"}
    for name, value in (nowhere | {"DISTILRANK_CACHE": str(tmp_path.parent / "cache")}).items():
        monkeypatch.setitem(environment, name, value)
    params = in_beir_layout(tmp_path).replace("location: collections/beir", "location: 's3://team/beir'")
    assert "s3://team/beir/queries.jsonl: got no AWS credentials" in refused(params, "collect")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "{source: beer}",
            "collection.source: got 'beer', expected one of 'aws-api-docs', 'parquet', 'beir', 'msmarco-p",
        ),
        ("{location: x}", "collection.source: got nothing, expected one of"),
        ("{source: beir, location: x, splits: {unlabelled: x}}", "unlabelled queries have no qrels"),
        ("{source: beir, location: x, splits: {DL19: x}}", "collection.splits.DL19"),
        (
            "{source: msmarco-passage, location: x, splits: {dl19: trec-dl-2018}}",
            "expected 'train', 'dev', 'dev.small'",
        ),
        ("{source: beir, location: x, checksums: {a: abc}}", "checksums.a: got 'abc'"),
        ("{source: tsv, location: x, passages: x, splits: {test: {queries: x}}}", "splits.test.qrels: got nothing"),
        ("{source: tsv, location: x, passages: x, splits: {}}", "splits: got {}"),
        ('{source: beir, location: "ftp://x/y"}', "ftp://x/y/queries.jsonl: got the scheme 'ftp', expected https"),
        ("{source: beir, location: nowhere}", "nowhere: got no such folder"),
    ],
)
def test_sources(refused: Callable[..., str], tmp_path: Path, section: str, expected: str) -> None:
    assert expected in refused(f"collection: {section}\n" + TINY[TINY.index("backbone:") :], "collect")


@pytest.mark.parametrize(
    ("triples", "expected"),
    [
        (
            "{location: x, checksum: null, columns: names, count: null}",
            "triples.bm25.columns: got 'names', expected 'ids' or",
        ),
        ("{location: x}", "triples.bm25.checksum: got nothing"),
        ("{location: nowhere, checksum: null, columns: ids, count: null}", "nowhere: got no such file"),
    ],
)
def test_given_triples(
    refused: Callable[..., str], prepared: Path, tmp_path: Path, triples: str, expected: str
) -> None:
    shutil.copytree(prepared / "data", tmp_path / "data")
    params = re.sub(r"^  bm25: .*$", f"  bm25: {triples}", TINY, flags=re.MULTILINE)
    assert expected in refused(params, "triples", "bm25")


def test_a_preset_over_params_of_ones_own(refused: Callable[..., str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    assert "params.yaml: got params of your own" in refused(TINY, "init", "--preset", "paper")
    line = refused(TINY, "init", "--preset", "papers")
    assert "preset: got 'papers', expected one of ['ablation'" in line
    assert line.endswith("; did you mean paper?\n")


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        ("architecture: cat, layers: 2", "students.dot cannot start from T1, which has 2 layers"),
        ("architecture: tk", "students.dot cannot start from T1, which has no transformer"),
    ],
)
def test_a_start_that_the_teacher_cannot_give(refused: Callable[..., str], teacher: str, expected: str) -> None:
    deeper = TINY.replace(
        "layers: 1, pooling: mean}\n    start: backbone", "layers: 3, pooling: mean}\n    start: teacher"
    )
    assert deeper != TINY
    assert expected in refused(deeper.replace("architecture: cat, layers: 2", teacher), "check")


def test_a_copy_in_int8_needs_a_store_and_no_search(tiny_params: Params) -> None:
    values = tiny_params.model_dump()
    values["matrix"]["controls"] = ["dot", "tk"]
    values["indexes"]["tk-int8"] = {"of": "tk", "kind": "int8"}
    with pytest.raises(
        ValueError, match=r"tk-int8 is of tk, whose passages are not encoded: add tk: \{kind: store\} to"
    ):
        Params.model_validate(values)
    values["indexes"]["tk"] = {"kind": "store"}
    params = Params.model_validate(values)
    assert "tk-int8-T1" in {one.name for one in built_indexes(params)}
    assert "tk-int8-T1" not in first_stages(params)
