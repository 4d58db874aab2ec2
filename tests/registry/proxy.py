"""A server before MLflow's that is slow, or lets nobody in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.servers import PLAIN


@dataclass
class Proxy:
    """Passes requests on to `target`; answers those for weights `seconds` later, or every one with `status`."""

    target: str
    seconds: float = 0.0
    status: int | None = None
    address: str = ""
    puts: list[str] = field(default_factory=list)


@contextmanager
def proxy_of(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if proxy.status:
                return self.answer(proxy.status, b"You are not authenticated.")
            proxy.puts += [self.path] * (self.command == "PUT")
            if self.path.endswith(".safetensors"):
                time.sleep(proxy.seconds)
            kept = {name: value for name, value in self.headers.items() if name.lower() in ("content-type", "range")}
            got = PLAIN.request(self.command, proxy.target + self.path, content=body, headers=kept, timeout=60)
            return self.answer(got.status_code, got.content)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        proxy.address = f"http://127.0.0.1:{server.server_port}"
        yield proxy
        server.shutdown()
