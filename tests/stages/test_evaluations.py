"""Collections that models are measured on and do not learn from, and models that come trained."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.conftest import DATASETS, Command, write_graph_of
from tests.rankers.tiny import save_tiny_ranker

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.derived import evaluated, measures_of, start_of, tokens_of
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.runs import read_trec
from distilrank.data.tokens import TokenStore
from distilrank.errors import CollectionError, InputError
from distilrank.evaluation.measures import means, measure
from distilrank.measured_model import measure_model
from distilrank.sections.data import Backbone
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.evaluate import evaluate
from distilrank.stages.import_model import import_model
from distilrank.stages.metrics import metrics
from distilrank.stages.tokenize import tokenize, tokenize_other

DEEP_LEARNING = DATASETS / "msmarco-dl19-dl20"
TEXTS = {"b1": "create a bucket", "b2": "delete the bucket", "b3": "list a fleet", "b4": "delete the table of a fleet"}
QUERIES = {"q1": ("test", "create bucket", "b1"), "q2": ("test", "delete fleet", "b4")}
# It learns from what a test query asks: of a collection to train on, an error.
LEARNED = {"t1": ("train", "create bucket", "b1"), "t2": ("dev", "list fleet", "b3")}
Written = Callable[..., Params]


def in_beirs_layout(folder: Path, queries: dict[str, tuple[str, str, str]]) -> dict[str, Any]:
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [json.dumps({"_id": name, "text": text}) for name, (_, text, _) in queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(asked))
    for split in {split for split, *_ in queries.values()}:
        judged = [f"{name}\t{passage}\t2" for name, (of, _, passage) in queries.items() if of == split]
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return {"source": "beir", "location": str(folder)}


@pytest.fixture
def written(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """The tiny params on a collection of four passages, with `other` to measure on besides, and a baseline."""
    monkeypatch.chdir(tmp_path)
    own = in_beirs_layout(tmp_path / "own", QUERIES)
    other = in_beirs_layout(tmp_path / "other", QUERIES | LEARNED)
    (tmp_path / "trained").mkdir()
    save_tiny_ranker(tmp_path / "trained", "dot")

    def params(**other_keys: Any) -> Params:
        values = tiny_params.model_dump() | {"collection": own, "baselines": {"minilm": {"checkpoint": "trained"}}}
        values["tokens"] |= {"passage_length": 3, "passage_prefix": "a "}
        values["evaluations"] = {"other": other | other_keys}
        (tmp_path / "params.yaml").write_text(json.dumps(values))
        write_graph_of(tmp_path)
        return Params.model_validate(values)

    return params


def test_what_is_flat_in_params_yaml_stays_so(written: Written) -> None:
    params = written(candidates={"depth": 30}, depth=10)
    assert params.evaluations["other"].collection.called == "other"
    assert params.model_dump()["evaluations"]["other"].keys() >= {"source", "location", "candidates", "depth"}
    assert Params.model_validate(params.model_dump()) == params


def test_every_model_is_measured_on_every_collection(written: Written) -> None:
    params = written(candidates={"runs": [{"location": "run.trec", "checksum": None}]}, depth=30)
    of = {name: [ranker for on, ranker in evaluated(params) if on == name] for name in ("collection", "other")}
    assert [*of] == list(dict.fromkeys(name for name, _ in evaluated(params)))
    assert (of["collection"][0], of["other"][0]) == ("bm25", "given")
    assert of["collection"][1:] == of["other"][1:]
    assert {"backbone", "minilm", "T1", "dot-start", "dot", "dot-T1", "tk-T2"} <= {*of["other"]}
    assert tokens_of(params, "minilm", "other") == Path("data/evaluations/other/own-tokens/minilm")
    assert tokens_of(params, "dot-T1", "other") == Path("data/evaluations/other/tokens")
    assert "R@20" in measures_of(params, "rerank", "other") and "R@20" not in measures_of(params, "rerank")


def test_a_baseline_teaches_nobody(tiny_params: Params) -> None:
    values = tiny_params.model_dump() | {"baselines": {name: {"checkpoint": "minilm"} for name in ("minilm", "E5")}}

    def starting_from(name: str) -> Params:
        student = values["students"]["dot"] | {"start": {"model": name}}
        return Params.model_validate(values | {"students": values["students"] | {"dot": student}})

    with pytest.raises(ValueError, match=r"students.dot.start may name the models \[.*'T1'.*\], not 'E5'"):
        starting_from("E5")
    # As a start, that is the bundled backbone.
    assert start_of(starting_from("minilm"), "dot", "T1").source.pretrained == Backbone(model="minilm", sha256=None)
    values["triples"]["few"] = {"from": ["E5"], "ranks": [1, 5]}
    with pytest.raises(ValueError, match=r"triples.few.from may name bm25 and the dense models"):
        Params.model_validate(values)


def test_its_test_queries_alone_are_taken(written: Written) -> None:
    params = written()
    for stage in (collect, tokenize):
        stage(params)
    import_model(params, "minilm")
    collect(params, "other")
    places = layout.places_of("other")
    taken = Collection.read(places.collection)
    assert (taken.queries["query_id"].to_list(), taken.test_sets()) == (["q1", "q2"], ["test"])
    assert json.loads((places.collection / "findings.json").read_text()) == []
    candidates(params, "other")
    found = pl.read_parquet(places.candidates / "candidates.parquet")
    assert found.filter(rank=1)["passage_id"].to_list() == ["b1", "b4"]
    assert (places.candidates / "bm25.test.trec").is_file()
    for name in (None, "minilm"):
        tokenize_other(params, "other", name)
        like, made = (tokens_of(params, name or "dot", on) for on in ("collection", "other"))
        stores = TokenStore.open(like), TokenStore.open(made)
        # The same texts, read by the same tokenizer, lengths and prefixes.
        assert [store.passages[0].tolist() for store in stores] == [stores[0].passages[0].tolist()] * 2
        assert read_manifest(made).inputs.keys() == {str(places.collection), str(like)}
    with pytest.raises(InputError, match="got no entry 'T1', expected one of \\['minilm'\\]"):
        tokenize_other(params, "other", "T1")
    with pytest.raises(InputError, match="evaluations: got no entry 'another'"):
        collect(params, "another")


def test_judged_passages_that_are_not_there_count_where_they_are_asked_to(written: Written) -> None:
    params = written()
    qrels = Path("other/qrels/test.tsv")
    qrels.write_text(f"{qrels.read_text()}\nq1\tb9\t1")
    with pytest.raises(CollectionError, match="qrels of passages that are not there"):
        collect(params, "other")
    counts = {}
    for keys in ({"on_error": "drop"}, {"count_absent": True}):
        collect(written(**keys), "other")
        counts[str(keys)] = len(Collection.read(layout.places_of("other").collection).test_qrels())
    assert [*counts.values()] == [2, 3]


def test_a_collection_without_test_queries_is_refused(written: Written) -> None:
    with pytest.raises(CollectionError, match=r"got no test queries.*name a test set in its splits"):
        collect(written(splits={"train": "train"}), "other")
    collect(written(splits={"asked": "train"}), "other")
    assert Collection.read(layout.places_of("other").collection).test_sets() == ["asked"]


def test_a_model_is_measured_on_a_folder_and_on_an_entry_that_is_built(
    written: Written, tmp_path: Path, run_here: Command
) -> None:
    params = written()
    for stage in (collect, candidates):
        stage(params, "other")
    figures = measure_model("trained", "other")
    done = run_here(tmp_path, "distilrank", "evaluate", "--model", "trained", "--collection", "own", "--target", "out")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("Re-ranking BM25's", "Searching the whole", "bm25", "trained"))
    of_folder = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for kind, ranker in product(("rerank", "retrieve"), ("bm25", "trained")):
        assert of_folder[kind][ranker]["nDCG@10"] == figures[kind][ranker]["nDCG@10"]
    assert (tmp_path / "out" / "test.qrels").is_file()
    words = ["compare", "out", "--ranker", "trained", "--against", "bm25", "--markdown"]
    compared = run_here(tmp_path, "distilrank", *words).stdout
    for kind in ("rerank", "retrieve"):
        bm25, trained = (of_folder[kind][one]["nDCG@10"] for one in ("bm25", "trained"))
        assert f"| trained against bm25 | {bm25:.4f} | {trained:.4f} |" in compared
    run = read_trec(tmp_path / "out" / "trained.retrieve.trec")
    assert means(measure(run, Collection.read(layout.places_of("other").collection).test_qrels()))["nDCG@10"] == (
        pytest.approx(figures["retrieve"]["trained"]["nDCG@10"])
    )
    # As a baseline of the pipeline it is measured alike, and searches as well.
    for stage in (collect, tokenize):
        stage(params)
    import_model(params, "minilm")
    tokenize_other(params, "other", "minilm")
    for ranker in ("bm25", "minilm"):
        evaluate(params, ranker, "other")
        values = pl.read_parquet(layout.runs_of(ranker, "other") / layout.MEASURES.name)
        for kind in ("rerank", "retrieve"):
            found = means(values.filter(task=f"other/{kind}"))
            assert found == figures[kind][{"minilm": "trained"}.get(ranker, ranker)]
    refused = run_here(tmp_path, "distilrank", "evaluate", "--model", "trained", "--collection", "none")
    assert (refused.returncode, refused.stderr) == (
        2,
        "distilrank: evaluate: got collection 'none', expected one of ['collection', 'other'] of params.yaml, or a "
        "folder in BEIR's layout; name such a collection by --collection\n",
    )


@pytest.fixture(scope="module")
def pool(tiny_params: Params, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """The pool of TREC Deep Learning with the official qrels, as a collection to measure on; not to be changed."""
    if not DEEP_LEARNING.is_dir():
        pytest.skip(f"{DEEP_LEARNING} is not there")
    directory = tmp_path_factory.mktemp("pool")
    years = ("dl19", "dl20")
    values = tiny_params.model_dump()
    values["evaluations"]["pool"] = {
        "source": "beir",
        "location": str(DEEP_LEARNING),
        "splits": {year: f"qrels_official/qrels.{year}-passage.txt" for year in years},
        "count_absent": True,
        "minimum_relevance": 2,
    }
    params = Params.model_validate(values)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(directory)
        collect(params, "pool")
    return directory, params


@pytest.mark.parametrize(
    ("system", "dl19", "dl20"),
    [
        ("BM25", 0.5058, 0.4796),
        ("D_BERT_KD_TASB", 0.7210, 0.6854),
        ("SPLADE_P_P_ENSEMBLE_DISTIL", 0.7308, 0.7197),
        ("REP_LLAMA", 0.7439, 0.7205),
        ("CONTRIEVER", 0.6202, 0.6342),
    ],
)
def test_official_runs_and_qrels_measure_as_published(
    system: str, dl19: float, dl20: float, pool: tuple[Path, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, params = pool
    monkeypatch.chdir(directory)
    values = params.model_dump()
    runs = [
        {"location": str(DEEP_LEARNING / "runs" / f"{system}.{year}.trec"), "checksum": None}
        for year in ("dl19", "dl20")
    ]
    values["evaluations"]["pool"]["candidates"] = {"depth": 1000, "runs": runs}
    candidates(Params.model_validate(values), "pool")
    places = layout.places_of("pool")
    collection, run = Collection.read(places.collection), read_trec(places.candidates / "given.test.trec")
    for year, published in (("dl19", dl19), ("dl20", dl20)):
        judged = collection.qrels_of(year)
        figures = means(
            measure(run.join(judged, on="query_id", how="semi"), judged, params.minimum_relevance(year, "pool"))
        )
        assert figures["nDCG@10"] == pytest.approx(published, abs=5e-5)


def test_two_collections_have_no_task_of_one_name(written: Written) -> None:
    """`other` could be a test set of the collection that models learn from: its figures would be mixed."""
    params = written()
    for on, ranker in evaluated(params):
        with whole_directory(layout.runs_of(ranker, on), "a test", {}, []) as draft:
            row = {"task": "other/rerank", "query_id": f"{on} 1", "measure": "nDCG@10", "value": 0.5}
            pl.DataFrame([row]).write_parquet(draft.path / layout.MEASURES.name)
    with pytest.raises(CollectionError, match=r"evaluations.other: got the name of a test set of the collection"):
        metrics(params)
    assert not layout.METRICS.exists()
