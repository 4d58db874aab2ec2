"""The search page's server. It listens first, and loads the systems while the page already shows."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import read_manifest
from distilrank.errors import InputError

if TYPE_CHECKING:
    from distilrank.config.params import Params

LOOPBACK = "127.0.0.1"
_NAMES = [LOOPBACK, "localhost"]


def serve_search(host: str | None, port: int, updated: Sequence[Path] = ()) -> None:
    """Serves until Ctrl-C; without a `host`, only this machine can reach it. Port 0 means any free port.

    Raises MissingInput if there is no collection to search, InputError if the server cannot listen, and both as
    Searchers does for an `updated` index.
    """
    for place in (layout.COLLECTION, layout.CANDIDATES):
        read_manifest(place)
    for place in updated:
        if "," in str(place):
            raise InputError(
                "serve-search", got=f"the index {place}", expected="a path without a comma, which parts names",
                remedy="rename the directory",
            )  # fmt: skip
    listening = _listening(host or LOOPBACK, port)
    from distilrank.config.evaluation_alone import read_evaluation
    from distilrank.searching import Searchers
    from distilrank.serving.search.answers import SearchAnswers

    answers = SearchAnswers(Searchers(_read_params, updated, read_evaluation))
    Thread(target=answers.prepare, daemon=True).start()
    import uvicorn

    from distilrank.serving.search.app import search_app

    config = uvicorn.Config(search_app(answers, ["*"] if host else _NAMES), log_level="warning", server_header=False)
    print(f"http://{host or LOOPBACK}:{listening.getsockname()[1]}  (Ctrl-C ends it)", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _read_params() -> "Params":
    # Not before BM25 has answered: it takes a second to import.
    from distilrank.config.params_file import read_params

    return read_params()


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise InputError(
            "serve-search",
            got=f"{host}:{port}, which cannot be listened on ({error.strerror})",
            expected="an address of this machine, and a free port",
            remedy="name another --port, or end what listens there",
        ) from error
