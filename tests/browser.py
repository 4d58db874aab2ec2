"""Headless Chromium, driven over its own DevTools protocol. Tests that need it are skipped where it is absent."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.servers import PLAIN, wait_for
from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_KEYS = {"Enter": "\r", "Escape": "", "ArrowRight": "", "ArrowLeft": "", " ": " "}


class Tab:
    """One tab, by a web socket to it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count(1)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (said := json.loads(self._socket.recv(60))).get("id") != number:
            pass
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    def screen(self, width: int, height: int, dark: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def get(self, expression: str) -> Any:
        """What an expression of JavaScript, or a promise, gives."""
        said = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def until(self, condition: str, seconds: float = 90) -> None:
        assert wait_for(lambda: self.get(f"Boolean({condition})"), bool, seconds), (
            f"{condition}: {self.get('document.body.innerText')}"
        )

    def press(self, key: str) -> None:
        text = _KEYS.get(key, key)
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]))


@contextmanager
def chromium(home: Path) -> Iterator[Tab]:
    """A tab of a Chromium that keeps its profile below `home` and ends with the block."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    words += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={home / 'profile'}"]
    log = home / "chromium.log"
    with log.open("w") as output:
        process = subprocess.Popen([program, *words, "about:blank"], stdout=output, stderr=output)
    try:
        found = wait_for(lambda: re.search(r"listening on ws://(\S+?)/", log.read_text()), bool, seconds=90)
        assert found, log.read_text()
        tabs = PLAIN.get(f"http://{found[1]}/json").json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(address, max_size=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait()
