"""An evaluation's figures, found again from its files by other tools, and with exported models by other libraries."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import pytrec_eval
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator, RerankingEvaluator
from tests.measuring import measured

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.config.derived import model_names
from distilrank.config.params import Params
from distilrank.conversion.export import export_model
from distilrank.data.collection import Collection
from distilrank.data.tokenizer import TextTokenizer, copy_tokenizer
from distilrank.rankers.loading import begin_ranker, pretrained
from distilrank.stages.candidates import candidates
from distilrank.stages.collect import collect
from distilrank.stages.encode import encode
from distilrank.stages.tokenize import tokenize

pytestmark = pytest.mark.slow(20)
ANIMALS = ["badger", "camel", "dolphin", "eagle", "falcon", "gazelle", "heron", "iguana", "jackal", "koala"]
PLACES = ["by the river", "in the hills", "near a village"]
# A test set of one grade, and one of two, of which the higher alone is relevant.
RELEVANT = {"plain": 1, "graded": 2}


def write_collection(folder: Path) -> None:
    """In BEIR's layout. All passages share a word with all queries, so that BM25's candidates are the collection; their
    lengths differ, so that none tie. Some queries ask for the next animal as well, which BM25 cannot know.
    """
    (folder / "qrels").mkdir(parents=True)
    told = [(animal, place) for animal in ANIMALS for place in PLACES]
    passages = [
        {"_id": f"p{number}", "title": f"The {animal}", "text": f"A {animal} was seen {place}{' now' * number}."}
        for number, (animal, place) in enumerate(told)
    ]
    queries = [{"_id": f"{name}-{animal}", "text": f"{name} {animal} seen"} for name in RELEVANT for animal in ANIMALS]
    for name, rows in {"corpus": passages, "queries": queries}.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name, highest in RELEVANT.items():
        rows = [
            f"{name}-{animal}\tp{(3 * number + place) % len(told)}\t{min(highest, 1 + (number + place) % 2)}"
            for number, animal in enumerate(ANIMALS)
            for place in range(1, 3 + number % 3)
        ]
        (folder / "qrels" / f"{name}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]))


@pytest.fixture(scope="module")
def params(tiny_params: Params) -> Params:
    """Two students; no text is cut."""
    values = tiny_params.model_dump() | {"teachers": {}, "ensembles": {}}
    values["collection"] = {"source": "beir", "location": "animals", "splits": {name: name for name in RELEVANT}}
    values["tokens"] |= {"query_length": 16, "passage_length": 48}
    values["candidates"] |= {"depth": 30}
    values["evaluation"] |= {"depth": 30, "minimum_relevance": RELEVANT, "untrained": []}
    values["imports"] = {"T3": {"location": "scores.tsv", "checksum": None}}
    dot = values["students"]["dot"] | {"ranker": {"architecture": "dot", "layers": 2, "pooling": "mean"}}
    values["students"] = {"dot": dot, "cat": dot | {"ranker": {"architecture": "cat", "layers": 2}}}
    values["matrix"] |= {"teachers": ["T3"], "controls": ["dot", "cat"]}
    values["promotion"] |= {"floors": {}}
    return Params.model_validate(values)


@pytest.fixture(scope="module")
def evaluated(params: Params, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose students are there, untrained, and measured."""
    directory = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(directory)
        write_collection(Path("animals"))
        for stage in (collect, tokenize, candidates):
            stage(params)
        for name in model_names(params):
            torch.manual_seed(len(name))
            entry = params.students[name.removesuffix("-T3")].ranker
            ranker = begin_ranker(entry, pretrained(backbone), params.tokens, TextTokenizer(layout.TOKENS))
            with whole_directory(layout.MODELS / name, "a test", {"of": "this file"}, []) as draft:
                ranker.save_pretrained(draft.path)
                copy_tokenizer(layout.TOKENS, draft.path)
            if name.startswith("dot"):
                encode(params, name)
        measured(params)
    return directory


@pytest.fixture(autouse=True)
def _here(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(evaluated)


def figures(task: str, ranker: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(layout.METRICS.read_text())[task][ranker]
    return found


RUNS = [("bm25", "rerank"), ("bm25", "retrieve"), ("dot", "rerank"), ("dot", "retrieve"), ("cat", "rerank")]


@pytest.mark.parametrize("name", RELEVANT)
@pytest.mark.parametrize(("ranker", "kind"), RUNS)
def test_trec_eval_measures_the_files_as_we_do(ranker: str, kind: str, name: str) -> None:
    with layout.run_of(ranker, kind).open() as run, (layout.runs_of("bm25") / f"{name}.qrels").open() as qrels:
        scores, judged = pytrec_eval.parse_run(run), pytrec_eval.parse_qrel(qrels)
    names = {"nDCG@10": "ndcg_cut_10", "AP@1000": "map", "R@20": "recall_20"}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, set(names.values()), relevance_level=RELEVANT[name])
    each = evaluator.evaluate(scores).values()
    own = figures(f"{name}/{kind}", ranker)
    for ours, theirs in names.items():
        assert own[ours] == pytest.approx(sum(one[theirs] for one in each) / len(judged), abs=1e-9), ours
    assert 0.05 < own["nDCG@10"] < 0.95


@pytest.mark.parametrize("name", RELEVANT)
@pytest.mark.parametrize(("ranker", "kind"), RUNS)
def test_so_does_a_reader_of_the_definitions(ranker: str, kind: str, name: str) -> None:
    own, order = figures(f"{name}/{kind}", ranker), ranking(layout.run_of(ranker, kind))
    judged: dict[str, dict[str, int]] = {}
    for query, _, passage, relevance in map(str.split, (layout.runs_of("bm25") / f"{name}.qrels").open()):
        judged.setdefault(query, {})[passage] = int(relevance)
    found = [by_definition(order[query], judged[query], RELEVANT[name]) for query in judged]
    for place, measure in enumerate(("nDCG@10", "RR@10", "AP@1000", "R@20")):
        assert own[measure] == pytest.approx(sum(one[place] for one in found) / len(found), abs=1e-9), measure


def ranking(run: Path) -> dict[str, list[str]]:
    """The passages of each query, in the order of the file."""
    order: dict[str, list[str]] = {}
    for query, _, passage, *_ in map(str.split, run.open()):
        order.setdefault(query, []).append(passage)
    return order


def by_definition(order: list[str], judged: dict[str, int], minimum: int) -> tuple[float, float, float, float]:
    """nDCG@10 with the grade as gain, RR@10, AP, R@20 (Järvelin and Kekäläinen 2002; TREC's common measures)."""

    def gain(grades: list[int]) -> float:
        return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:10], start=1))

    grades = [judged.get(passage, 0) for passage in order]
    ranks = [rank for rank, grade in enumerate(grades, start=1) if grade >= minimum]
    relevant = sum(grade >= minimum for grade in judged.values())
    precision = [number / rank for number, rank in enumerate(ranks, start=1)]
    return (
        gain(grades) / gain(sorted(judged.values(), reverse=True)),
        1 / ranks[0] if ranks and ranks[0] <= 10 else 0.0,
        sum(precision) / relevant,
        sum(rank <= 20 for rank in ranks) / relevant,
    )


@pytest.mark.parametrize("name", RELEVANT)
@pytest.mark.parametrize(("ranker", "kind"), RUNS)
def test_so_does_ranx_where_it_is_installed(ranker: str, kind: str, name: str) -> None:
    """It brings half a gigabyte of libraries, which is too much for the tests."""
    ranx = pytest.importorskip("ranx")
    qrels = ranx.Qrels.from_file(str(layout.runs_of("bm25") / f"{name}.qrels"), kind="trec")
    run = ranx.Run.from_file(str(layout.run_of(ranker, kind)), kind="trec")
    level = f"-l{RELEVANT[name]}"
    wanted = {"nDCG@10": "ndcg@10", "RR@10": f"mrr@10{level}", "AP@1000": f"map{level}", "R@20": f"recall@20{level}"}
    found = ranx.evaluate(qrels, run, [*wanted.values()], make_comparable=True)
    own = figures(f"{name}/{kind}", ranker)
    for ours, theirs in wanted.items():
        assert own[ours] == pytest.approx(found[theirs], abs=1e-9), ours


@pytest.fixture
def texts() -> tuple[dict[str, str], dict[str, str], dict[str, set[str]]]:
    """Queries, passages, and what is relevant: of the set with one grade, since those evaluators know no other."""
    collection = Collection.read(layout.COLLECTION)
    passages = dict(collection.texts_of(collection.passage_ids()).iter_rows())
    queries = dict(collection.queries_of("plain").select("query_id", "text").iter_rows())
    relevant: dict[str, set[str]] = {}
    for query, passage in collection.qrels_of("plain").select("query_id", "passage_id").iter_rows():
        relevant.setdefault(query, set()).add(passage)
    return queries, passages, relevant


Texts = tuple[dict[str, str], dict[str, str], dict[str, set[str]]]


def samples(texts: Texts, kind: str) -> list[dict[str, object]]:
    """What is re-ranked, as sentence-transformers takes it; `kind` is how it calls the passages."""
    queries, passages, relevant = texts
    order = ranking(layout.run_of("bm25", "rerank"))
    return [
        {
            "query": queries[query],
            "positive": [passages[one] for one in relevant[query]],
            kind: [passages[one] for one in order[query] if kind == "documents" or one not in relevant[query]],
        }
        for query in queries
    ]


def exported(name: str, folder: Path) -> str:
    export_model(layout.MODELS / name, folder / name)
    return str(folder / name)


def test_sentence_transformers_measures_an_exported_dot_as_we_do(texts: Texts, tmp_path: Path) -> None:
    model = SentenceTransformer(exported("dot", tmp_path), device="cpu")
    searched = InformationRetrievalEvaluator(*texts, map_at_k=[30], precision_recall_at_k=[20])(model)
    own = figures("plain/retrieve", "dot")
    for ours, theirs in {"nDCG@10": "ndcg@10", "RR@10": "mrr@10", "AP@1000": "map@30", "R@20": "recall@20"}.items():
        assert own[ours] == pytest.approx(searched[f"dot_{theirs}"], abs=1e-6), ours
    evaluator = RerankingEvaluator(samples(texts, "negative"), similarity_fct=model.similarity)
    same_as_re_ranking("dot", evaluator(model))


def test_sentence_transformers_measures_an_exported_cat_as_we_do(texts: Texts, tmp_path: Path) -> None:
    model = CrossEncoder(exported("cat", tmp_path), device="cpu")
    evaluator = CrossEncoderRerankingEvaluator(samples(texts, "documents"), always_rerank_positives=False)
    measured = evaluator(model)
    same_as_re_ranking("cat", measured)
    same_as_re_ranking("bm25", {one.removeprefix("base_"): measured[one] for one in measured if "base" in one})


def same_as_re_ranking(ranker: str, measured: Mapping[str, float]) -> None:
    own = figures("plain/rerank", ranker)
    for ours, theirs in {"nDCG@10": "ndcg@10", "RR@10": "mrr@10", "AP@1000": "map"}.items():
        assert own[ours] == pytest.approx(measured[theirs], abs=1e-6), ours
