"""The files of infra/, as the tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from tests.conftest import ROOT

INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
# Values of charts, manifests, and the work pool.
MANIFESTS = sorted([*KUBERNETES.glob("*.yaml"), *KUBERNETES.glob("*.json")])
SECRET = re.compile("PASSWORD|SECRET|ACCESS_KEY|AUTH|WEBHOOK|URI$|PREFECT_API_DATABASE")


def read(file: Path) -> Any:
    (document,) = documents(file)
    return document


def documents(file: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(file.read_text("utf-8")))


def constraint(package: str) -> str:
    """The version in constraints.txt."""
    (version,) = re.findall(rf"^{package}==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    return str(version)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)
