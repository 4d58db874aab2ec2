"""An S3 server for one machine: moto's, which keeps objects in memory, with each also in a file.

A file has the object's content alone: its ETag may change with a restart, and tags and versions are not kept.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import run_simple

# An object's file has it, so that one object's key may be the folder of another's.
_SUFFIX = ".object"
# What no name is quoted to.
_EMPTY = "%"
_CHANGES = {"PUT", "POST", "DELETE"}


class DurableStore:
    """The application of moto's server, which writes what a request changed before it answers."""

    def __init__(self, application: Callable[..., Iterable[bytes]], backend: S3Backend, folder: Path) -> None:
        self._application, self._backend, self._folder = application, backend, folder
        self._lock = Lock()
        self._load()

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        status = 200

        def answer(line: str, *rest: Any) -> Any:
            nonlocal status
            status = int(line.split(maxsplit=1)[0])
            return start_response(line, *rest)

        body = list(self._application(environ, answer))
        if environ["REQUEST_METHOD"] in _CHANGES and 200 <= status < 300:
            bucket, _, key = environ["PATH_INFO"].encode("latin-1").decode().lstrip("/").partition("/")
            self._keep(bucket, key, parse_qs(environ["QUERY_STRING"], keep_blank_values=True))
        return body

    def _load(self) -> None:
        for bucket in sorted(folder for folder in self._folder.iterdir() if folder.is_dir()):
            self._backend.create_bucket(unquote(bucket.name), "us-east-1")
            for file in sorted(bucket.rglob(f"*{_SUFFIX}")):
                names = str(file.relative_to(bucket)).removesuffix(_SUFFIX).split("/")
                key = "/".join("" if name == _EMPTY else unquote(name) for name in names)
                self._backend.put_object(unquote(bucket.name), key, file.read_bytes())

    def _keep(self, bucket: str, key: str, query: Mapping[str, list[str]]) -> None:
        if "partNumber" in query or "uploads" in query:
            return  # an object only once its parts are joined
        with self._lock:
            if bucket not in self._backend.buckets:
                return
            self._place(bucket).mkdir(exist_ok=True)
            if key:
                self._keep_object(bucket, key)
            elif "delete" in query:
                self._drop_deleted(bucket)

    def _keep_object(self, bucket: str, key: str) -> None:
        file = self._place(bucket, key)
        found = self._backend.buckets[bucket].keys.get(key)
        if found is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_bytes(found.value)
        partial.rename(file)

    def _drop_deleted(self, bucket: str) -> None:
        kept = {self._place(bucket, key) for key in self._backend.buckets[bucket].keys}
        for file in set(self._place(bucket).rglob(f"*{_SUFFIX}")) - kept:
            file.unlink()

    def _place(self, bucket: str, key: str | None = None) -> Path:
        """Every name quoted, dots too, so that none leads elsewhere."""
        given = (bucket, *(key.split("/") if key else ()))
        names = [quote(name, safe="").replace(".", "%2E") or _EMPTY for name in given]
        place = self._folder.joinpath(*names)
        return place.with_name(f"{place.name}{_SUFFIX}") if key else place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    application = DurableStore(create_backend_app("s3"), s3_backends[DEFAULT_ACCOUNT_ID]["aws"], asked.folder)
    run_simple("127.0.0.1", asked.port, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
