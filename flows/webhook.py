"""Reports a failed run to an address that the user gives."""

import os
from typing import Any

import httpx
from prefect import State, get_run_logger
from prefect.client.schemas.objects import FlowRun
from prefect.flows import Flow

from distilrank.redaction import without_secrets

# The address is in an environment variable, because such addresses are secrets.
WEBHOOK = "DISTILRANK_WEBHOOK"
_SECONDS = 10


def tell_of_failure(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Posts the run's name, state, message and page as JSON. If that fails, only logs a warning."""
    if not (address := os.environ.get(WEBHOOK)):
        return
    word = {
        "flow": flow.name,
        "run": flow_run.name,
        "state": state.name,
        "message": state.message,
        "page": os.environ.get("DISTILRANK_FLOW_RUN") or None,
    }
    try:
        httpx.post(address, json=without_secrets(word), timeout=_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The message leaves out the address, which is a secret.
        get_run_logger().warning("%s was not told of the failure: %s", WEBHOOK, type(error).__name__)
