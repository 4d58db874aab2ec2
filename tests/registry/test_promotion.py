"""Promotions and rollbacks in a real MLflow server, in the sequences that led to a wrong champion."""

import subprocess
import sys
from pathlib import Path

import mlflow
import polars as pl
import pytest
from mlflow import MlflowClient
from tests.conftest import Command
from tests.registry.conftest import PASSAGES, Built
from tests.registry.versions import (
    MODEL,
    aliases,
    crown_challenger,
    crowned,
    decision_of,
    name_of,
    refusal_by,
    refusals,
)

from distilrank.artifacts import layout
from distilrank.data.tokenizer import TextTokenizer
from distilrank.errors import InputError
from distilrank.evaluation.measures import means, measure
from distilrank.rankers.base import Ranker
from distilrank.rankers.inputs import text_batch
from distilrank.rankers.loading import load_ranker
from distilrank.registry.places import Places, crown
from distilrank.registry.promotion import promote
from distilrank.registry.register import register
from distilrank.registry.rollback import rollback

pytestmark = pytest.mark.slow(90)

COMMAND = [sys.executable, "-c", "from distilrank.cli.main import main; main()"]


# A file of a version that is not loaded for it: where other gates are looked at, that saves the process.
MAY_RUN = {"head_bin": b"\x80\x04."}


def retrained(built: Built, seed: int, mean: float, **files: bytes) -> None:
    """Another version of the model as challenger."""
    built.train(MODEL, seed, **files)
    built.evaluate({MODEL: mean})
    register(built.params())


def test_a_champion_is_followed_by_a_better_one_until_a_rollback_that_lasts(
    built: Built, client: MlflowClient, tracker: str
) -> None:
    params = crowned(built, client)
    assert aliases(client) == {"champion": 1, "best": 1}

    retrained(built, 1, 0.6)
    decision = promote(params, MODEL)
    assert decision.promoted
    assert decision.gains is not None
    assert decision.gains.is_a_gain
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2}
    version = client.get_model_version_by_alias(name_of(), "champion")
    assert version.tags["promotion"].startswith("promoted")
    recorded = decision_of(client, version)
    assert recorded["promoted"]
    assert [gate["gate"] for gate in recorded["gates"]] == [
        "safetensors only", "whole", "loads in a clean process", "not rolled back", "floors",
        "no worse than champions", "latency", "size",
    ]  # fmt: skip
    mlflow.set_tracking_uri(tracker)
    [answer] = mlflow.pyfunc.load_model(f"models:/{name_of()}@champion").predict([{"query": "list", "top_k": 2}])
    assert len(answer.hits) == 2

    done = rollback(params, MODEL)
    assert (done.champion, done.former, done.refused_by) == (1, 2, [])
    assert aliases(client) == {"champion": 1, "best": 1}
    with pytest.raises(InputError, match="got no champion before version 1"):
        rollback(params, MODEL)

    # The flow of the next night builds and registers the same model again.
    assert {one.name: one.state for one in register(params)}[name_of()] == "rolled-back"
    assert aliases(client) == {"champion": 1, "best": 1}
    with pytest.raises(InputError, match="got no challenger"):
        promote(params, MODEL)
    with pytest.raises(InputError, match="got no reason"):
        promote(params, MODEL, version=2, because=" ")
    assert refusals(promote(params, MODEL, version=2)) == ["not rolled back"]
    assert promote(params, MODEL, version=2, because="the outage had another cause").promoted
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2}
    tags = client.get_model_version(name_of(), "2").tags
    assert tags["promotion forced because"] == "the outage had another cause"
    assert "rolled back" not in tags


def test_small_losses_do_not_add_up(built: Built, client: MlflowClient, run_here: Command) -> None:
    crowned(built, client)
    # .02 is within the margin, of which the test is sure; twice that is not.
    built.params(no_worse={"task": "rerank", "measure": "nDCG@10", "margin": 0.03, "p_value": 0.05})
    retrained(built, 1, 0.48)
    done = run_here(Path.cwd(), "distilrank", "promote", MODEL)
    assert done.returncode == 0, done.stdout
    assert "It gains nothing on version 1 that is more than chance: -0.0200" in done.stdout
    assert f"\n    mlflow models serve -m models:/{name_of()}@champion " in done.stderr
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 1}
    retrained(built, 2, 0.46)
    [refusal] = promote(built.params(), MODEL).refused_by
    assert refusal.gate == "no worse than champions"
    assert [one["version"] for one in refusal.figures["champions"]] == [2, 1]
    assert "0.4600 against 0.5000 of version 1" in refusal.why
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 1, "challenger": 3}
    tags = client.get_model_version(name_of(), "3").tags
    assert tags["promotion"].startswith("refused")
    assert tags["promotion refused by"] == "no worse than champions"


def test_the_champion_is_measured_anew_on_the_data_that_the_challenger_was_measured_on(
    built: Built, client: MlflowClient
) -> None:
    crowned(built, client)
    first = load_ranker(layout.MODELS / MODEL), TextTokenizer(layout.MODELS / MODEL)
    built.collect({f"{number:02}": "abcde"[number % 5] for number in range(40)})
    built.values["evaluation"]["depth"] = 11
    retrained(built, 1, 0.99)
    decision = promote(built.params(), MODEL)
    assert decision.promoted, decision.refused_by
    assert decision.gains is not None
    assert decision.gains.champion == pytest.approx(ndcg_by_hand(*first), abs=1e-6)
    assert decision.gains.queries == 40
    # It was kept: the next challenger is compared without measuring it again.
    retrained(built, 2, 0.1, **MAY_RUN)
    refusal = refusal_by("no worse than champions", promote(built.params(), MODEL))
    assert "0.1000 against 0.9900 of version 2" in refusal.why


def ndcg_by_hand(ranker: Ranker, tokenizer: TextTokenizer) -> float:
    """Of a ranker's scores of all passages, as the collection here has their relevance."""
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    texts = ["the list of the fleet" if one == "b" else text for one, text in PASSAGES.items()]
    passages = ranker.encode_passages(text_batch(texts, 12, tokenizer))
    rows = []
    for query_id, text, _ in queries.iter_rows():
        query = ranker.encode_queries(text_batch([text], 4, tokenizer)).repeat(len(texts))
        scores = ranker.interact(query, passages).tolist()
        rows += [(query_id, passage_id, score) for passage_id, score in zip(PASSAGES, scores, strict=True)]
    run = pl.DataFrame(rows, schema=["query_id", "passage_id", "score"], orient="row")
    values = measure(run, pl.read_parquet(layout.COLLECTION / "qrels.parquet"))
    return means(values)["nDCG@10"]


def test_files_that_changed_in_the_store_are_neither_promoted_nor_rolled_back_to(
    built: Built, client: MlflowClient, store: Path, run_here: Command
) -> None:
    params = crowned(built, client)
    retrained(built, 1, 0.6)
    weights = {number: weights_of(client, store, number) for number in (1, 2)}
    second = weights[2].read_bytes()
    weights[2].write_bytes(second[:-1] + b"?")
    assert refusals(promote(params, MODEL)) == ["whole", "loads in a clean process", "latency"]
    weights[2].write_bytes(second)
    crown_challenger(client)
    weights[1].unlink()
    with pytest.raises(
        InputError, match="version 2: got a version that is champion now, never was champion, or was rolled back"
    ):
        rollback(params, MODEL, to=2)
    done = run_here(Path.cwd(), "distilrank", "rollback", MODEL)
    assert done.returncode == 1
    assert "version 1 is refused by" in done.stdout
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2}


def weights_of(client: MlflowClient, store: Path, version: int) -> Path:
    place = client.get_model_version_download_uri(name_of(), str(version)).removeprefix("mlflow-artifacts:/")
    [weights] = (store / place.lstrip("/")).rglob("model.safetensors")
    return weights


def test_a_file_that_may_run_is_refused_unread(built: Built) -> None:
    built.train(MODEL, 0, **MAY_RUN)
    built.train("T1", 0, model_safetensors=b"broken")
    built.evaluate({})
    params = built.params()
    register(params)
    decision = promote(params, MODEL)
    assert refusals(decision) == ["safetensors only", "loads in a clean process", "latency"]
    assert "head.bin may run when it is read" in decision.refused_by[0].why
    assert refusals(promote(params, "T1")) == ["loads in a clean process", "latency"]


def test_two_promotions_at_once_leave_one_consistent_state(built: Built, client: MlflowClient) -> None:
    crowned(built, client)
    retrained(built, 1, 0.6)
    both = [
        subprocess.Popen([*COMMAND, "promote", MODEL], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = {process.wait(): process.communicate()[0] for process in both}
    assert sorted(said) == [0, 2], said
    assert f"{name_of()} version 2 is champion, version 1 is kept as previous" in said[0]
    assert "got no challenger, and version 2 as champion" in said[2]
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2}


def test_what_another_machine_did_meanwhile_is_not_undone(built: Built, client: MlflowClient) -> None:
    crowned(built, client)
    for seed in (1, 2):
        retrained(built, seed, 0.6)
    begun = Places.read(client, name_of())
    second = client.get_model_version(name_of(), "2")
    # Here a promotion of version 2 began, before version 3 was registered elsewhere.
    crown(client, begun._replace(challenger=second), second, is_best=True)
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2, "challenger": 3}
    # Here one of version 3 began when version 1 was champion.
    third = client.get_model_version(name_of(), "3")
    with pytest.raises(InputError, match="got version 2 as champion since this command began, expected version 1"):
        crown(client, begun, third, is_best=True)
    assert aliases(client) == {"champion": 2, "previous": 1, "best": 2, "challenger": 3}


def test_the_command_line_says_why_with_exit_code_1(built: Built, client: MlflowClient, run_here: Command) -> None:
    """Of a model whose control was trained anew, after its version had been registered."""
    params = built.params(milliseconds=0.001, floors={"rerank": {"nDCG@10": ["bm25", "control"]}})
    register(params)
    built.train("dot", seed=1)
    built.evaluate({"dot": 0.7})
    entered = run_here(Path.cwd(), "distilrank", "register")
    assert f"{name_of('dot')} 2 new http://" in entered.stdout
    assert f"{name_of()} 1 known http://" in entered.stdout
    assert f"next: `distilrank promote {MODEL}` " in entered.stderr
    done = run_here(Path.cwd(), "distilrank", "promote", MODEL)
    assert done.returncode == 1, done.stderr
    assert "is refused by floors: rerank nDCG@10 is 0.5000, below control (0.7000)" in done.stdout
    assert "latency: rerank " in done.stdout
