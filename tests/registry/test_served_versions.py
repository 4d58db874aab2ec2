"""A version serves by the code that it brings, and is timed as it is served."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from tests.registry.conftest import ARCHITECTURES, INDEXED, Built
from tests.registry.timed import write_latency

from distilrank.artifacts import layout
from distilrank.errors import MissingInput
from distilrank.rankers.dot.model import DotRanker
from distilrank.registry.clean_process import answered_alone, loads, made_up_requests
from distilrank.registry.promotion import promote
from distilrank.registry.register import register

pytestmark = pytest.mark.slow(20)

MODEL = "dot-T1"


def name_of(model: str = MODEL) -> str:
    return f"{Path.cwd().name}.{model}"


def test_a_version_serves_by_the_code_that_it_was_registered_with(
    built: Built, tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(built.params())
    mlflow.set_tracking_uri(tracker)
    # A class that it uses is changed: nobody can score any more by the code that is installed.
    monkeypatch.setattr(DotRanker, "interact", None)
    requests = [{"query": "list", "passages": ["a list", "a table"]}, {"query": "list", "top_k": 2}]
    scored, found = mlflow.pyfunc.load_model(f"models:/{name_of()}/1").predict(requests)
    assert len(scored.scores) == 2
    assert len(found.hits) == 2


def test_a_promotion_times_the_packaged_model_by_itself(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a distilrank stands in the way, and the evaluation said that all was quick."""
    other = Path("other/distilrank/__init__.py")
    other.parent.mkdir(parents=True)
    other.write_text("raise RuntimeError('not the code of this model')")
    monkeypatch.setenv("PYTHONPATH", str(other.parents[1].absolute()))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    params = built.params(milliseconds=0.001)
    register(params)
    decision = promote(params, MODEL)
    [refusal] = decision.refused_by
    assert refusal.gate == "latency"
    assert refusal.why.startswith("rerank ")
    assert "; 0.001 ms allowed; on " in refusal.why
    times = refusal.figures["milliseconds"]
    assert {task: list(ways) for task, ways in times.items()} == {
        "rerank": ["single", "concurrent"],
        "retrieve": ["single", "concurrent"],
    }
    assert all(way["median"] > 0 for ways in times.values() for way in ways.values())
    # As a server would answer: a score for each candidate, and what the index has.
    answers = next(gate for gate in decision.gates if gate.gate == "loads in a clean process").figures
    assert len(answers["rerank"]["scores"]) == 5
    assert len(answers["retrieve"]["hits"]) == 5


def test_a_promotion_without_queries_at_hand_says_what_to_build(built: Built) -> None:
    params = built.params()
    register(params)
    layout.run_of("bm25", "rerank").unlink()
    with pytest.raises(MissingInput, match=r"bm25.rerank.trec: got no such file"):
        promote(params, MODEL)


def test_times_that_were_measured_anew_replace_the_old_ones(built: Built, tracker: str) -> None:
    params, client = built.params(), MlflowClient(tracking_uri=tracker)
    register(params)
    write_latency(list(ARCHITECTURES), INDEXED, 7.5, "another machine")
    assert {one.state for one in register(params)} == {"known"}
    tags = client.get_model_version(name_of(), "1").tags
    assert {tag: value for tag, value in tags.items() if tag.startswith("milliseconds/")} == {
        "milliseconds/rerank/single": "7.5",
        "milliseconds/rerank/concurrent": "7.5",
        "milliseconds/rerank/encoded beforehand": "7.5",
        "milliseconds/retrieve/single": "7.5",
        "milliseconds/retrieve/concurrent": "7.5",
        "milliseconds/machine": "another machine",
    }


def test_times_of_another_model_are_not_registered(built: Built) -> None:
    params = built.params()
    before = layout.LATENCY.read_text()
    built.train(MODEL, seed=1)
    built.evaluate({})
    layout.LATENCY.write_text(before)
    with pytest.raises(MissingInput, match=f"latency.json: got no times of the present models/{MODEL}"):
        register(params)


def test_a_version_of_before_that_has_no_code_is_registered_anew(built: Built, tracker: str) -> None:
    params, client = built.params(), MlflowClient(tracking_uri=tracker)
    register(params)
    client.delete_model_version_tag(name_of(), "1", "distilrank.package")
    assert {one.name: one.version for one in register(params) if one.state == "new"} == {name_of(): 2}
    assert client.get_model_version(name_of(), "2").tags["distilrank.code"].startswith("distilrank_")


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}")
    answered = answered_alone(tmp_path, made_up_requests(with_index=False))
    gate = loads(answered)
    assert not gate.passed
    assert "python_function" in gate.why
    assert [file.name for file in tmp_path.iterdir()] == ["MLmodel"]
