"""Measures that a real MLflow server keeps of versions and runs, compared by the command."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from tests.conftest import Command
from tests.registry.conftest import Built
from tests.registry.versions import name_of

from distilrank.errors import InputError, MissingInput
from distilrank.registry.measured import measures_of_run, measures_of_version
from distilrank.registry.register import register

pytestmark = pytest.mark.slow(20)


def test_versions_and_runs_are_compared_by_the_measures_of_their_evaluations(
    built: Built, client: MlflowClient, run_here: Command
) -> None:
    # Of seeds of its own, so that no other test's versions share its runs.
    built.train("dot", seed=21)
    built.evaluate({})
    params = built.params()
    register(params)
    built.train("dot", seed=22)
    built.evaluate({"dot": 0.6})
    register(params)
    first, second = (f"models:/{name_of('dot')}/{number}" for number in (1, 2))
    run_of_first, run_of_second = (client.get_model_version(name_of("dot"), number).run_id or "" for number in "12")

    done = run_here(Path.cwd(), "distilrank", "compare", first, second, "--markdown")
    assert "| dot | 0.5000 | 0.6000 | +0.1000 ▲ | +0.1000 to +0.1000 | < 0.001 |" in done.stdout, done.stderr
    by_alias = run_here(Path.cwd(), "distilrank", "compare", f"models:/{name_of('dot')}@challenger", ".", "--markdown")
    assert "| dot | 0.6000 | 0.6000 | +0.0000 |" in by_alias.stdout, by_alias.stderr
    assert "Only in B: bm25, T1, dot-T1." in by_alias.stdout
    client.set_registered_model_alias(name_of("dot"), "as-shipped", "1")
    assert measures_of_version(f"models:/{name_of('dot')}@as-shipped").equals(measures_of_version(first))
    assert measures_of_run(run_of_first).equals(measures_of_version(first))

    built.collect({"00": "b"})
    built.evaluate({})
    register(params)
    with pytest.raises(InputError, match=rf"2 evaluations of {name_of('dot')}/2, .*name a version, such as {second}"):
        measures_of_run(run_of_second)


def test_what_mlflow_does_not_have_is_told(built: Built, client: MlflowClient) -> None:
    with pytest.raises(InputError, match=r"no run 0{32}"):
        measures_of_run("0" * 32)
    with pytest.raises(InputError, match=r"models:/NAME/VERSION or models:/NAME@ALIAS"):
        measures_of_version("models:/x")
    empty = client.create_run(client.create_experiment(Path.cwd().name))
    with pytest.raises(MissingInput, match="no measures"):
        measures_of_run(empty.info.run_id)
