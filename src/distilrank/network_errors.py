"""What an exception tells of a server: by its type and the status that it carries, never by its words."""

import socket
from collections.abc import Iterator


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it came from, as a traceback shows them."""
    while error:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def is_no_answer(error: BaseException) -> bool:
    """Whether a server did not answer, broke off, or was too busy: another try later may help."""
    return any(_is_lost(one) or _may_pass(_status(one)) for one in causes(error))


def is_refusal(error: BaseException) -> bool:
    """Whether a server wants other credentials than it was given."""
    return any(_status(one) in (401, 403) or _has_none(one) for one in causes(error))


def _is_lost(error: BaseException) -> bool:
    # Imported where something failed already: they take a while.
    from botocore.exceptions import HTTPClientError
    from requests import exceptions

    known = (exceptions.ConnectionError, exceptions.Timeout, exceptions.RetryError, exceptions.ChunkedEncodingError)
    return isinstance(error, (ConnectionError, TimeoutError, socket.gaierror, HTTPClientError, *known))


def _has_none(error: BaseException) -> bool:
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError

    return isinstance(error, NoCredentialsError | PartialCredentialsError)


def _may_pass(status: int | None) -> bool:
    return status is not None and (status in (408, 425, 429) or status >= 500)


def _status(error: BaseException) -> int | None:
    """The status of an HTTP answer, as requests, httpx and botocore keep it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None
