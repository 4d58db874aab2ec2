"""Remote files by http(s):// and s3://, read from any byte on, so that a broken connection costs little.

Proxies, certificates and AWS settings come from the environment. AWS_ENDPOINT_URL names any S3-compatible server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from distilrank.errors import DownloadError, NotThere
from distilrank.redaction import redacted

# The most bytes that a broken connection loses.
_CHUNK = 1 << 16
# The longest waits: to connect, and between two reads.
_SECONDS = (10, 60)


@dataclass(frozen=True)
class Stream:
    """Bytes of a remote file from `start` on, with its version, and its whole size where the server tells it.

    `start` is 0 where the server began anew: it knows no ranges, or the file has changed.
    """

    start: int
    size: int | None
    version: str
    chunks: Iterator[bytes]


class Interrupted(Exception):
    """The connection broke, or the server is busy. Another try may succeed."""


@contextmanager
def opened(location: str, start: int, version: str) -> Iterator[Stream]:
    """Opens the file at `location` from byte `start` on if it still has this `version`, else from its beginning.

    Raises Interrupted, and DownloadError if another try would not help.
    """
    scheme = urlsplit(location).scheme
    if scheme in ("http", "https"):
        with _http(location, start, version) as stream:
            yield stream
    elif scheme == "s3":
        with _s3(location, start, version) as stream:
            yield stream
    else:
        raise DownloadError(
            location, got=f"the scheme '{scheme}'", expected="https://, http:// or s3://", remedy="correct the location"
        )


@contextmanager
def _http(url: str, start: int, version: str) -> Iterator[Stream]:
    import requests

    # If the server compressed the answer, its bytes could not be counted.
    headers = {"Accept-Encoding": "identity"}
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_SECONDS) as answer:
            if answer.status_code == 416:
                raise Interrupted("a range beyond the file's end")
            if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
                raise Interrupted(f"status {answer.status_code}")
            if answer.status_code not in (200, 206):
                kind = NotThere if answer.status_code in (404, 410) else DownloadError
                raise _refused(url, f"status {answer.status_code} ({answer.reason})", kind)
            begins = start if answer.status_code == 206 else 0
            length = answer.headers.get("Content-Length")
            # A weak ETag does not promise identical bytes.
            tag = answer.headers.get("ETag", "")
            seen = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
            size = begins + int(length) if length and length.isdigit() else None
            yield Stream(begins, size, seen, answer.iter_content(_CHUNK))
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Interrupted(str(error)) from error
    except requests.RequestException as error:
        raise _refused(url, str(error)) from error


@contextmanager
def _s3(location: str, start: int, version: str) -> Iterator[Stream]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    parts = urlsplit(location)
    wanted: dict[str, Any] = {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
    if start and version:
        wanted |= {"Range": f"bytes={start}-", "IfMatch": version}
    try:
        answer = boto3.Session().client("s3").get_object(**wanted)
        yield Stream(start if "Range" in wanted else 0, _s3_size(answer), answer["ETag"], _read(answer["Body"]))
    except NoCredentialsError as error:
        raise _refused(location, "no AWS credentials") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("PreconditionFailed", "InvalidRange", "412", "416"):
            raise Interrupted("another version of the file") from error
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or code == "SlowDown":
            raise Interrupted(code) from error
        raise _refused(location, code, NotThere if code in ("NoSuchKey", "404") else DownloadError) from error
    except (BotoCoreError, OSError) as error:
        raise Interrupted(str(error)) from error


def _s3_size(answer: Any) -> int:
    """The size of the whole object, of which the answer may be a range."""
    _, _, total = answer.get("ContentRange", "").partition("/")
    return int(total or answer["ContentLength"])


def _read(body: Any) -> Iterator[bytes]:
    while chunk := body.read(_CHUNK):
        yield chunk


def _refused(location: str, got: str, kind: type[DownloadError] = DownloadError) -> DownloadError:
    return kind(
        location,
        got=redacted(got)[:160],
        expected="a file that may be read",
        remedy="check the location, its permissions, your credentials and proxies",
    )
