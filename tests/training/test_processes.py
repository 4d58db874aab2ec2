"""Two processes under torchrun train as one does: the same losses, validations and margins."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import ROOT
from tests.training.trained_together import CASES, trained

pytestmark = pytest.mark.slow(40)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("two")
    torchrun = Path(sys.executable).with_name("torchrun")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = ["-m", "tests.training.trained_together", str(work)]
    done = subprocess.run(
        [torchrun, "--standalone", "--nproc-per-node=2", *program],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads((work / "made.json").read_text())
    return made


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one_does(case: str, by_two: dict[str, Any], tmp_path: Path) -> None:
    one, two = json.loads(json.dumps(trained(case, tmp_path))), by_two[case]
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-4)
    assert two["best"] == one["best"]
    assert two["validation"].keys() == one["validation"].keys()
    for kind, curve in one["validation"].items():
        np.testing.assert_allclose(two["validation"][kind], curve, rtol=1e-6)
    np.testing.assert_allclose(two["margins"], one["margins"], rtol=1e-2, atol=1e-3 * np.ptp(one["margins"]))
