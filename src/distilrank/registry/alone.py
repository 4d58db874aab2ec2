"""A lock, so that only one process on this machine changes a registry at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from distilrank.artifacts.locks import alone_in
from distilrank.data.downloads import cache
from distilrank.mlflow_client import faults_told, tracking_uri


@contextmanager
def alone_with_registry() -> Iterator[None]:
    """Waits until nobody else on this machine changes the same registry, then keeps others out.

    Raises Unreachable if MLflow does not answer, and RefusedCredentials if it rejects the credentials.
    """
    place = cache().parent / "registries" / sha256(tracking_uri().encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    with alone_in(place), faults_told():
        yield
