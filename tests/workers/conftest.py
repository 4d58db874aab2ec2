"""A real Ray cluster."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def started_cluster() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        yield started.address
        started.shutdown()


@pytest.fixture
def cluster(started_cluster: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a cluster with room for two workers."""
    monkeypatch.setenv("DISTILRANK_RAY_ADDRESS", started_cluster)
    return started_cluster
