"""Prefect's ephemeral server for one run, for users without a server.

If Prefect starts it, it is a plain child of the flow: Ctrl-C ends it before the flow can report its end, and a killed
flow leaves it running. Here it has a session of its own, on a leash.
"""

import os
import signal
import sys

from prefect import get_client

from distilrank.workers.leash import Leash
from flows.orphans import mark

DEFAULTS = {
    # Otherwise the server reports its use to Prefect's makers.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The first start makes the database. On a busy machine that takes longer than Prefect's 20 seconds.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
LEASH = Leash()  # held until this process ends: Prefect reports to the server until then


def start_server() -> str:
    """Starts the server, which ends with this process, and returns its address.

    Raises RuntimeError if it does not start. Prefect has printed why.
    """
    environment = DEFAULTS | os.environ | mark()
    process = LEASH.start([sys.executable, "-m", "flows.server"], environment, errors=None)
    assert process.stdout is not None
    address = process.stdout.readline().decode().strip()
    if not address:
        raise RuntimeError(f"Prefect's server ended with exit code {process.wait()}")
    return address


def serve() -> None:
    """Prints the address of Prefect's ephemeral server and keeps it running."""
    with get_client(sync_client=True) as client:
        print(str(client.api_url).rstrip("/"), flush=True)
    signal.pause()


if __name__ == "__main__":
    # The signal's default action would leave Prefect's child behind. A regular exit ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve()
