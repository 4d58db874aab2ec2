"""DistilRank as a library, on a built project."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.rankers.tiny import save_tiny_ranker

import distilrank
from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.errors import InputError, MissingInput
from distilrank.retrieval.dense import DenseIndex

PASSAGES = ["create a bucket", "delete the fleet", "list the table of a fleet", "a"]
IDS = ["p0", "p1", "p2", "p3"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a dense ranker and its index, and a cross-encoder."""
    monkeypatch.chdir(tmp_path)
    for name, architecture in (("dot-T1", "dot"), ("T1", "cat")):
        with whole_directory(layout.MODELS / name, "a test", {}, []) as draft:
            save_tiny_ranker(draft.path, architecture)
    vectors = distilrank.load("models/dot-T1").encode_passages(PASSAGES)
    with whole_directory(layout.VECTORS / "dot-T1", "a test", {}, [layout.MODELS / "dot-T1"]) as draft:
        DenseIndex.build(vectors, pl.Series(IDS)).write(draft.path)
    return tmp_path


def test_scores_are_the_products_of_a_dense_rankers_vectors(project: Path) -> None:
    model = distilrank.load(project / "models" / "dot-T1")
    products = model.encode_queries(["delete the fleet"]) @ model.encode_passages(PASSAGES).T
    np.testing.assert_allclose(model.score("delete the fleet", PASSAGES), products[0], rtol=1e-4)


def test_search_finds_what_scores_highest(project: Path) -> None:
    model = distilrank.load("models/dot-T1")
    scores = dict(zip(IDS, model.score("list a bucket", PASSAGES), strict=True))
    hits = model.search("list a bucket", 2)
    assert [hit.passage_id for hit in hits] == sorted(IDS, key=lambda passage: -scores[passage])[:2]
    assert [hit.score for hit in hits] == pytest.approx([scores[hit.passage_id] for hit in hits], rel=1e-4)


def test_a_passage_scores_the_same_beside_others_and_beforehand(project: Path) -> None:
    model = distilrank.load("models/T1")
    together = model.score("delete the fleet", PASSAGES)
    alone = [model.score("delete the fleet", [passage])[0] for passage in PASSAGES]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(model.score_encoded("delete the fleet", model.encode(PASSAGES)), together, atol=1e-5)
    assert model.score("delete the fleet", []).shape == (0,)


def test_what_a_ranker_cannot_do_is_refused(project: Path) -> None:
    model = distilrank.load("models/T1")
    with pytest.raises(InputError, match="got a model without an index"):
        model.search("delete the fleet")
    with pytest.raises(InputError, match="expected one vector per text"):
        model.encode_passages(PASSAGES)
    with pytest.raises(MissingInput, match="models/T2"):
        distilrank.load("models/T2")


def test_an_index_of_another_model_is_not_taken(project: Path) -> None:
    with whole_directory(layout.MODELS / "dot-T1", "a test", {"changed": True}, []) as draft:
        save_tiny_ranker(draft.path, "dot", seed=1)
    assert distilrank.load("models/dot-T1").index is None
    with pytest.raises(MissingInput, match="got the vectors of another model than models/dot-T1"):
        distilrank.load("models/dot-T1", index="vectors/dot-T1")


RUN = {"q1": {"a": 3.0, "b": 2.0, "c": 1.0}, "q2": {"a": 1.0, "b": 2.0}}
QRELS = {"q1": {"b": 1}, "q2": {"b": 2, "a": 1}, "q3": {"c": 1}}


def test_a_run_is_measured_by_hand_worked_values() -> None:
    figures = distilrank.evaluate(RUN, QRELS)
    # q1: the relevant passage is second; q2: both in the ideal order; q3: nothing was found.
    assert figures["nDCG@10"] == pytest.approx((1 / np.log2(3) + 1 + 0) / 3)
    assert figures["RR@10"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert figures["R@1000"] == pytest.approx(2 / 3)
    # Of grade 2 and above there is one relevant passage, that of q2.
    assert distilrank.evaluate(RUN, QRELS, minimum_relevance=2)["RR@10"] == pytest.approx(1 / 3)


def test_files_and_tables_give_the_same(tmp_path: Path) -> None:
    run = "".join(f"{q} Q0 {p} 1 {s} x\n" for q, passages in RUN.items() for p, s in passages.items())
    qrels = "".join(f"{q} 0 {p} {g}\n" for q, passages in QRELS.items() for p, g in passages.items())
    (tmp_path / "run").write_text(run)
    (tmp_path / "qrels").write_text(qrels)
    rows = [(q, p, s) for q, passages in RUN.items() for p, s in passages.items()]
    table = pl.DataFrame(rows, schema=["query_id", "passage_id", "score"], orient="row")
    expected = distilrank.evaluate(RUN, QRELS)
    assert distilrank.evaluate(tmp_path / "run", str(tmp_path / "qrels")) == expected
    assert distilrank.evaluate(table, QRELS) == expected
    (tmp_path / "tabs").write_text(run.replace(" ", "\t"))
    assert distilrank.evaluate(tmp_path / "tabs", QRELS) == expected
    (tmp_path / "broken").write_text(run + "q2 Q0 a\n")
    with pytest.raises(InputError, match="broken: got lines that cannot be read"):
        distilrank.evaluate(tmp_path / "broken", QRELS)
    with pytest.raises(InputError, match="got no column score"):
        distilrank.evaluate(table.drop("score"), QRELS)
    with pytest.raises(InputError, match="got no such file"):
        distilrank.evaluate(tmp_path / "none", QRELS)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, distilrank; print('torch' in sys.modules, 'polars' in sys.modules); "
        "distilrank.losses.MarginMSE(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_measures_go_by_their_names_in_ir_measures() -> None:
    figures = distilrank.evaluate(RUN, QRELS, measures=["MRR@10", "P@1", "Judged@1"])
    assert list(figures) == ["RR@10", "P@1", "Judged@1"]
    with pytest.raises(InputError, match=r"got 'MRR@ten' \(ir-measures does not know it\).*name nDCG@10, "):
        distilrank.evaluate(RUN, QRELS, measures=["MRR@ten"])
