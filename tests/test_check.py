"""`distilrank check`, and every training before it begins: what would fail after hours is refused at once."""

import json
import shutil
import sys
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.conftest import ROOT, Command, write_graph_of

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.check import check
from distilrank.config.params import Params
from distilrank.config.params_file import read_params
from distilrank.config.presets import use_preset
from distilrank.config.unmeasured import unmeasured
from distilrank.config.validation_cost import costly_validations
from distilrank.errors import BackboneError, CollectionError, InputError, NotThere, ParamsError
from distilrank.stages.collect import collect

Changed = Callable[..., Params]
EVERYWHERE = ("train", "dev", "test")


@pytest.fixture
def changed(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Changed:
    """The tiny params with other sections, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def params(**sections: Any) -> Params:
        return Params.model_validate(tiny_params.model_dump() | sections)

    return params


def in_beirs_layout(*splits: str) -> dict[str, Any]:
    """Writes a collection with a query of each split and gives back the section that names it."""
    folder = Path("collections/own")
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "one"}\n')
    (folder / "queries.jsonl").write_text("".join(f'{{"_id": "{one}", "text": "{one}?"}}\n' for one in splits))
    for split in splits:
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{split}\ta\t1\n")
    return {"source": "beir", "location": str(folder)}


def with_ranker(params: Params, section: str, name: str, ranker: dict[str, Any]) -> dict[str, Any]:
    """The section of teachers or students in which one is another ranker."""
    entries = params.model_dump()[section]
    return {section: entries | {name: entries[name] | {"ranker": ranker}}}


def test_params_that_can_be_built_pass_and_nothing_is_written(changed: Changed) -> None:
    check(changed())
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["ablation", "aws-api-docs", "beir", "paper"])
def test_presets_on_the_bundled_backbone_pass(name: str, changed: Changed) -> None:
    Path("presets").symlink_to(ROOT / "presets")
    use_preset(name)
    check(read_params())


@pytest.mark.parametrize(
    ("splits", "lacking"), [(["train", "test"], "dev"), (["train", "dev"], "test"), (["dev", "test"], "train")]
)
def test_a_collection_without_one_kind_of_queries_is_refused_from_its_files_and_when_it_is_built(
    changed: Changed, splits: list[str], lacking: str
) -> None:
    params = changed(collection=in_beirs_layout(*splits))
    with pytest.raises(CollectionError, match=f"params.yaml: collection: got no {lacking} queries, expected some, to"):
        check(params)
    collect(params)
    shutil.rmtree("collections")
    with pytest.raises(CollectionError, match=f"params.yaml: collection: got no {lacking} queries, expected some, to"):
        check(params)


def test_unlabelled_without_such_queries_is_refused(changed: Changed) -> None:
    """As by a user who puts a labelled collection in the demo's place."""
    demos = read_params(ROOT / "params.yaml").unlabelled
    params = changed(collection=in_beirs_layout(*EVERYWHERE), unlabelled=demos)
    with pytest.raises(CollectionError, match="unlabelled: got a collection without unlabelled queries"):
        check(params)
    Path("collections/own/log.jsonl").write_text('{"_id": "logged", "text": "logged?"}\n')
    check(changed(collection=params.collection.model_dump() | {"unlabelled": "log.jsonl"}, unlabelled=demos))


@pytest.mark.parametrize(
    ("entry", "refusal"),
    [
        ({"test": {}}, "evaluations.test: got the name of a test set of the collection, expected another"),
        (
            {"other": {"splits": {"train": "train"}}},
            "evaluations.other: got no test queries, expected some, to measure by",
        ),
        ({"other": {"location": "nowhere"}}, "evaluations.other.location: got 'nowhere', which is not there"),
        (
            {"other": {"candidates": {"runs": [{"location": "run.trec", "checksum": None}]}}},
            "evaluations.other.candidates.runs.0.location: got 'run.trec', which is not there",
        ),
        (
            {"other": {"minimum_relevance": {"dl19": 2}}},
            r"evaluations.other.minimum_relevance: got no entry 'test', expected one of \['dl19'\]",
        ),
    ],
)
def test_what_else_is_measured_on_is_checked(changed: Changed, entry: dict[str, Any], refusal: str) -> None:
    own = in_beirs_layout(*EVERYWHERE)
    check(changed(collection=own, evaluations={"other": own}))
    ((name, keys),) = entry.items()
    with pytest.raises(InputError, match=f"params.yaml: {refusal}"):
        check(changed(collection=own, evaluations={name: own | keys}))


def stated(**keys: Any) -> dict[str, Any]:
    """A report that states a figure on the collection `other`."""
    figures = {"collection": "other", "task": "rerank", "measure": "nDCG@10", "source": "a paper", "seed_noise": 0.01,
               "near": 0.02, "figures": {"bm25": 0.5}}  # fmt: skip
    return {"expected": [figures | keys]}


def test_stated_figures_are_of_a_test_set_that_is_there(changed: Changed) -> None:
    """A collection with one test set has tasks without its name: those of dl20 must not be held to another's."""
    own = in_beirs_layout(*EVERYWHERE)
    sections = {"collection": own, "evaluations": {"other": own}}
    check(changed(**sections, report=stated(test_set="test")))
    with pytest.raises(
        ParamsError, match=r"figures of other for the test set dl20, expected figures for one of \['test'\]"
    ):
        check(changed(**sections, report=stated(test_set="dl20")))


def test_stated_figures_are_of_what_their_own_collection_is_measured_by(changed: Changed) -> None:
    own = in_beirs_layout(*EVERYWHERE)
    deep = {"evaluations": {"other": own | {"depth": 200, "candidates": {"depth": 200}}}}
    changed(**deep, report=stated(measure="R@100"))
    with pytest.raises(ValueError, match=r"of rerank, not R@100"):
        changed(**deep, report=stated(collection="aws-api-docs", measure="R@100"))
    changed(report=stated(measure="R@100"))


def test_a_baselines_checkpoint_is_looked_at(changed: Changed) -> None:
    check(changed(baselines={"minilm": {"checkpoint": "minilm"}}))
    Path("empty").mkdir()
    with pytest.raises(InputError, match=r"params.yaml: baselines.E5: "):
        check(changed(baselines={"E5": {"checkpoint": "empty"}}))


def test_splits_that_the_params_name_need_no_file_to_be_missed(changed: Changed) -> None:
    sections = {
        "source": "msmarco-passage", "location": "https://nowhere.example", "splits": {"train": "train", "dev": "dev"}
    }  # fmt: skip
    with pytest.raises(CollectionError, match="got no test queries"):
        check(changed(collection=sections))
    sections["splits"] = {"train": "train", "dl19": "trec-dl-2019"}
    with pytest.raises(CollectionError, match=r"got no dev queries.*; set collection.dev_share"):
        check(changed(collection=sections))
    check(changed(collection=sections | {"dev_share": 0.1}))


def test_training_queries_need_no_labels_where_only_runs_teach(changed: Changed) -> None:
    given = {
        "source": "msmarco-passage", "location": "https://nowhere.example", "unlabelled": "queries.tsv",
        "splits": {"dev": "dev", "dl19": "trec-dl-2019"},
    }  # fmt: skip
    run = {"form": "run", "location": "https://nowhere.example/run.trec", "checksum": None, "positive_ranks": 3}
    alone = {"teachers": ["R"], "controls": [], "controls_per_teacher": [], "seeds": []}
    sections = {"collection": given, "teachers": {}, "ensembles": {}, "imports": {"R": run}, "matrix": alone}
    check(changed(**sections))

    # Without positive_ranks, only queries with labels teach.
    with pytest.raises(CollectionError, match=r"got no train queries.*; .*let runs alone teach, with positive_ranks"):
        check(changed(**sections | {"imports": {"R": run | {"positive_ranks": None}}}))
    with pytest.raises(CollectionError, match=r"got no train queries"):
        check(changed(**sections | {"matrix": alone | {"controls": ["dot"]}}))
    # There are no training queries to take dev queries from.
    with pytest.raises(CollectionError, match=r"got no dev queries.*; name dev queries with labels"):
        check(changed(**sections | {"collection": given | {"splits": {"dl19": "trec-dl-2019"}}}))


def test_splits_of_ones_own_tables_are_in_their_queries(changed: Changed) -> None:
    folder = Path("collections/own")
    folder.mkdir(parents=True)
    params = changed(collection={"source": "parquet", "location": str(folder)})
    queries = pl.DataFrame({"query_id": ["q", "r"], "text": ["one", "two"], "split": ["train", "test"]})
    queries.write_parquet(folder / "queries.parquet")
    with pytest.raises(CollectionError, match="got no dev queries"):
        check(params)
    # What is wrong with a file, `collect` says.
    (folder / "queries.parquet").write_text("no Parquet")
    check(params)


def test_a_share_that_took_no_query_is_seen_once_the_collection_is_built(changed: Changed) -> None:
    params = changed(collection=in_beirs_layout("train", "test") | {"dev_share": 0.000001})
    check(params)
    collect(params)
    with pytest.raises(CollectionError, match="got no dev queries"):
        check(params)


def test_a_test_set_without_a_minimum_relevance_is_refused(changed: Changed) -> None:
    section = {"depth": 10, "minimum_relevance": {"dl19": 2}}
    with pytest.raises(ParamsError, match=r"evaluation.minimum_relevance: got no entry 'test'"):
        check(changed(collection=in_beirs_layout(*EVERYWHERE), evaluation=section))


@pytest.mark.parametrize(
    ("section", "name", "ranker"),
    [
        ("teachers", "T1", {"architecture": "cat", "layers": 7}),
        ("students", "dot", {"architecture": "dot", "layers": 7, "pooling": "mean"}),
        ("students", "tk", {"architecture": "prettr", "layers": 7, "join_layer": 2}),
    ],
)
def test_more_layers_than_the_backbone_has_are_refused_wherever_they_are_asked_for(
    changed: Changed, section: str, name: str, ranker: dict[str, Any]
) -> None:
    params = changed(**with_ranker(changed(), section, name, ranker))
    message = rf"params.yaml: {section}.{name}: backbone: got 6 layers, expected at least 7; ask for less"
    with pytest.raises(BackboneError, match=message):
        check(params)


def with_adapters(params: Params, **lora: Any) -> dict[str, Any]:
    """The section of teachers in which T1 learns by LoRA."""
    teachers = params.model_dump()["teachers"]
    teachers["T1"]["training"]["lora"] = lora
    return {"teachers": teachers}


def test_adapters_for_linear_layers_that_are_not_there_are_refused(changed: Changed) -> None:
    check(changed(**with_adapters(changed(), targets=["query", "0.output.dense"])))
    for wrong in ("qurey", "attention", "2.output.dense", "pooler.dense"):
        message = (
            rf"params.yaml: teachers.T1: training.lora.targets: got '{wrong}', which names no linear layer, "
            r"expected ends of names such as dense, key, query, value; name some of these, or set targets: null"
        )
        with pytest.raises(ParamsError, match=message):
            check(changed(**with_adapters(changed(), targets=["query", wrong])))


def test_adapters_without_peft_are_refused_with_the_extra_that_brings_it(
    changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = changed(**with_adapters(changed()))
    check(params)
    monkeypatch.setitem(sys.modules, "peft", None)
    check(changed())
    message = r"params.yaml: teachers.T1: training.lora: got no peft, .*, which the extra lora brings; install the "
    with pytest.raises(InputError, match=message):
        check(params)


def test_longer_texts_than_the_backbone_has_positions_for_are_refused(changed: Changed) -> None:
    """The bundled one has 512; a joined sequence takes the texts' tokens and three special ones."""
    check(changed(tokens={"query_length": 12, "passage_length": 497}))
    with pytest.raises(BackboneError, match=r"teachers.T1: backbone: got 512 positions .*, expected at least 513"):
        check(changed(tokens={"query_length": 12, "passage_length": 498}))


def test_a_backbone_that_is_not_there_is_refused_with_the_entry_that_names_it(changed: Changed) -> None:
    own = {"backbone": {"model": "backbones/none", "sha256": None}}
    Path("backbones/none").mkdir(parents=True)
    teachers = changed().model_dump()["teachers"]
    teachers["T1b"] |= own
    with pytest.raises(BackboneError, match=r"teachers.T1b: backbone backbones/none: got no config.json"):
        check(changed(teachers=teachers))


FILE = {"location": "given/file", "checksum": None}
GIVEN = FILE | {"columns": "ids", "count": None}
DRAWN = {"count": 8, "negatives": 1, "negatives_from": 8, "seed": 2}
CANDIDATES = {"depth": 20, "train_depth": 20, "k1": 0.9, "b": 0.4, "runs": [FILE]}
PLACES: dict[str, tuple[dict[str, Any], Path]] = {
    "collection": ({"collection": {"source": "beir", "location": "given/file", "dev_share": 0.1}}, layout.COLLECTION),
    "candidates.runs.0": ({"candidates": CANDIDATES}, layout.CANDIDATES),
    "triples.bm25": ({"triples": {"bm25": GIVEN, "few": DRAWN}}, layout.TRIPLES / "bm25"),
    "imports.T9": ({"imports": {"T9": FILE}}, layout.LABELS / "imported" / "T9"),
}


@pytest.mark.parametrize("entry", PLACES)
def test_a_location_that_is_not_there_is_refused(changed: Changed, entry: str) -> None:
    params = changed(**PLACES[entry][0])
    with pytest.raises(NotThere, match=rf"params.yaml: {entry}.location: got 'given/file', which is not there"):
        check(params)
    Path("given").mkdir()
    Path("given/file").touch()
    check(params)


@pytest.mark.parametrize("entry", PLACES)
def test_a_location_is_not_needed_once_all_is_made_of_it(changed: Changed, entry: str) -> None:
    sections, output = PLACES[entry]
    params = changed(**sections)
    used = params.model_dump(mode="json")[entry.split(".", maxsplit=1)[0]]
    used = used[entry.rpartition(".")[2]] if output.parent in (layout.TRIPLES, layout.LABELS / "imported") else used
    whole(output, json.loads(json.dumps(used).replace("given/file", "another")))
    with pytest.raises(NotThere):
        check(params)
    whole(output, used)
    if output == layout.COLLECTION:
        queries = pl.DataFrame({"query_id": EVERYWHERE, "text": EVERYWHERE, "split": EVERYWHERE})
        for name in ("passages", "queries", "qrels"):
            queries.write_parquet(output / f"{name}.parquet")
    check(params)


def whole(output: Path, params: dict[str, Any]) -> None:
    with whole_directory(output, "a stage", params, []):
        pass


@pytest.mark.parametrize("location", ["https://nowhere.example/x", "s3://nowhere/x", "ir_datasets:msmarco-passage"])
def test_what_is_elsewhere_is_not_asked_for(changed: Changed, location: str) -> None:
    check(changed(triples={"bm25": GIVEN | {"location": location}, "few": DRAWN}))


def test_word_vectors_that_are_not_there(changed: Changed) -> None:
    glove = {"location": "glove.txt", "checksum": f"md5:{'0' * 32}"}
    ranker = {"architecture": "tk", "glove": glove}
    params = changed(**with_ranker(changed(), "students", "tk", ranker))
    with pytest.raises(NotThere, match=r"students.tk.ranker.glove.location: got 'glove.txt', which is not there"):
        check(params)
    Path("glove.txt").touch()  # not read: that takes minutes
    check(params)
    with pytest.raises(ValueError, match=r"checksum is null, and glove.txt is a path"):
        changed(**with_ranker(changed(), "students", "tk", ranker | {"glove": glove | {"checksum": None}}))


def test_all_faults_are_told_at_once_each_by_its_entry_in_the_params(changed: Changed) -> None:
    for folder in ("empty", "backbones/none"):
        Path(folder).mkdir(parents=True)
    Path("triples.tsv").write_text("q\tp\tn\n")
    teachers = changed().model_dump()["teachers"]
    teachers["T1b"] |= {"backbone": {"model": "backbones/none", "sha256": None}}
    params = changed(
        collection={"source": "beir", "location": "nowhere"},
        triples={"bm25": GIVEN | {"location": "triples.tsv", "checksum": f"md5:{'0' * 32}"}, "few": DRAWN},
        imports={"T9": FILE},
        teachers=teachers,
        baselines={"E5": {"checkpoint": "empty"}},
    )
    told = [
        "collection.location: got 'nowhere', which is not there",
        f"triples.bm25.location: triples.tsv: got md5 {md5(Path('triples.tsv').read_bytes()).hexdigest()}, expected 0",
        "imports.T9.location: got 'given/file', which is not there",
        "teachers.T1b: backbone backbones/none: got no config.json",
        "baselines.E5: ",
    ]
    for thoroughly in (True, False):
        with pytest.raises(InputError) as refused:
            check(params, thoroughly)
        lines = str(refused.value).splitlines()
        expected = [line for line in told if thoroughly or "md5" not in line]
        assert all(map(str.startswith, lines, [f"params.yaml: {line}" for line in expected])), lines
        assert len(lines) == len(expected), lines


def test_weights_that_are_not_those_of_the_params_are_told_before_anything_is_built(changed: Changed) -> None:
    other = {"sha256": "0" * 64}
    params = changed(backbone={"model": "minilm"} | other, baselines={"B": {"checkpoint": "minilm"} | other})
    check(params)
    with pytest.raises(InputError) as refused:
        check(params, thoroughly=True)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("params.yaml: teachers.T1: backbone minilm: got sha256 ")
    assert lines[-1].startswith("params.yaml: baselines.B: checkpoint minilm: got sha256 ")


@pytest.mark.parametrize("words", ["check", "teach T1", "distil dot", "distil dot --teacher T1"])
def test_every_training_is_preceded_by_the_check(project: Path, run_here: Command, words: str) -> None:
    """Of a student whose turn would be last; nothing is written."""
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("{architecture: tk}", "{architecture: cat, layers: 7}"))
    before = sorted(project.rglob("*"))
    done = run_here(project, "distilrank", *words.split())
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr == (
        "distilrank: params.yaml: students.tk: backbone: got 6 layers, expected at least 7; ask for less in "
        "params.yaml, or name a larger backbone\n"
    )
    assert sorted(project.rglob("*")) == before


def test_a_stale_code_yaml_is_refused_by_check_and_by_its_stages(tmp_path: Path, run_here: Command) -> None:
    shutil.copyfile(ROOT / "tests" / "params.tiny.yaml", tmp_path / "params.yaml")
    for name in ("code.yaml", "constraints.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    fresh = (tmp_path / "code.yaml").read_text()
    assert run_here(tmp_path, "distilrank", "check").returncode == 0
    stale = "".join("index: old\n" if line.startswith("index:") else line for line in fresh.splitlines(keepends=True))
    (tmp_path / "code.yaml").write_text(stale)
    told = (
        "distilrank: code.yaml: got digests of other code for index, expected those of the code that is installed "
        "here; after a change of code, run `distilrank lock`\n"
    )
    for words in (["check"], ["index", "dot-T1"]):
        refused = run_here(tmp_path, "distilrank", *words)
        assert (refused.returncode, refused.stderr) == (2, told)
    other = run_here(tmp_path, "distilrank", "tokenize")
    assert "code.yaml" not in other.stderr and "data/collection" in other.stderr
    renewed = run_here(tmp_path, "distilrank", "lock")
    assert renewed.returncode == 0, renewed.stderr
    assert (tmp_path / "code.yaml").read_text() == fresh


def test_a_stale_graph_yaml_is_refused_by_check_and_by_each_stage(tmp_path: Path, run_here: Command) -> None:
    shutil.copyfile(ROOT / "constraints.txt", tmp_path / "constraints.txt")
    params = (ROOT / "tests" / "params.tiny.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params)
    write_graph_of(tmp_path)
    assert run_here(tmp_path, "distilrank", "check").returncode == 0
    (tmp_path / "params.yaml").write_text(params.replace("seeds: []", "seeds: [7]"))
    told = (
        "distilrank: graph.yaml: got the stages of other params, expected those that params.yaml asks for; "
        "run `distilrank lock`\n"
    )
    for words in (["check"], ["tokenize"]):
        refused = run_here(tmp_path, "distilrank", *words)
        assert (refused.returncode, refused.stderr) == (2, told)
    assert run_here(tmp_path, "distilrank", "lock").returncode == 0
    assert run_here(tmp_path, "distilrank", "check").returncode == 0
    assert '"dot-T1~7"' in (tmp_path / "graph.yaml").read_text()


def test_a_measure_beyond_every_depth_is_told(changed: Changed) -> None:
    assert [*unmeasured(changed())] == ["R@100 is measured nowhere: candidates.depth is 20"]
    deep = {"source": "beir", "location": "there", "candidates": {"depth": 100}}
    assert [*unmeasured(changed(evaluations={"other": deep}))] == []


def test_what_validating_costs_is_told(changed: Changed) -> None:
    """T1 reads 3 steps of 4 triples, 2 passages each, three times as long as a validation reads 10 queries' 5."""
    notes = [*costly_validations(changed())]
    assert notes[0].startswith("teachers.T1: validating takes about 69% of the time of its steps, more than 15%: ")
    assert [*costly_validations(changed(validation={"queries": 1, "depth": 1, "passages": 1}))] == []
