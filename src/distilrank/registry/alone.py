"""Taking turns: one change of a registry at a time on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from distilrank.data.downloads import cache
from distilrank.errors import Unreachable
from distilrank.mlflow_client import alone_in, tracking_uri


@contextmanager
def alone_with_registry() -> Iterator[None]:
    """Waits for others on this machine who change the same registry. Raises Unreachable where MLflow is silent."""
    from mlflow.exceptions import MlflowException

    place = cache().parent / "registries" / sha256(tracking_uri().encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    with alone_in(place):
        try:
            yield
        except MlflowException as error:
            if "API request to" not in str(error):
                raise
            raise Unreachable(
                tracking_uri(), got="no answer from MLflow", expected="its server", remedy="see that it runs"
            ) from error
