"""No secret of a URL survives in a text, and a text without one is as it was."""

import copy
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from flows.command import run
from flows.failure import CommandFailed
from hypothesis import assume, example, given
from hypothesis import strategies as st

from distilrank.artifacts.directories import new_directory, whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.data import downloads
from distilrank.errors import DownloadError
from distilrank.redaction import redacted, without_secrets
from distilrank.workers.leash import Leash

PRINTED = st.characters(exclude_categories=("Z", "C"))
SECRETS = st.text(PRINTED, min_size=4, max_size=20)
WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-_"), min_size=1, max_size=8)
SCHEMES = st.sampled_from(["http", "https", "s3", "ray", "postgresql+psycopg2"])
PLACES = st.builds(
    lambda host, port, path: f"{host}{port}/{path}", WORDS, st.sampled_from(["", ":5000"]), st.sampled_from(["", "a@b"])
)
NAMES = st.sampled_from(
    ["X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "AWSAccessKeyId", "Signature",
     "sig", "token", "access_token", "api_key", "key", "password", "client_secret", "auth", "authorization",
     "pass", "db_pass", "passphrase", "code", "hmac", "jwt", "subscription-key"]
)  # fmt: skip


@given(SCHEMES, WORDS | st.just(""), SECRETS, PLACES)
@example("s3", "AKIA", "wJalr/K7MD+bPxRf", "bucket/key")
@example("http", "me", "pa#ss?word", "host:5000/")
@example("http", "me", 'pa"ss', "[::1]:5000/")
@example("s3", "AK", "7/abcSECRET", "minio/b")
@example("https", "u", "0@b/c", "h/")
@example("https", "me@corp", "pa/ss@word", "h:5000/a@b")
def test_no_password_survives(scheme: str, user: str, secret: str, place: str) -> None:
    kept = f"{scheme}://{behind_the_last_at(place)}"
    assert redacted(f"see {scheme}://{user}:{quote(secret, safe='')}@{place}: got 401") == f"see {kept}: got 401"
    assert redacted(f"see {scheme}://{user}:{secret}@{place}: got 401") == f"see {kept}: got 401"


def behind_the_last_at(place: str) -> str:
    """What is left where a password may have stood: one may hold an @, and so may a path."""
    return place.rpartition("@")[2]


@given(SCHEMES, PLACES, NAMES, SECRETS, WORDS)
def test_no_secret_of_a_query_survives(scheme: str, place: str, name: str, secret: str, other: str) -> None:
    written = quote(secret, safe="/+:,")
    assume(written.rstrip(".,:;") and written not in f"{name}{other}")
    url = f"{scheme}://{place}?part={other}&{name}={written}&last={other}"
    kept = behind_the_last_at(place) if ":" in place else place  # host:port may be user:password
    assert redacted(f"at '{url}'") == f"at '{scheme}://{kept}?part={other}&{name}=***&last={other}'"
    assert redacted(f"with url: /{other}?{name}={written}: refused") in (
        f"with url: /{other}?{name}=***{end}: refused" for end in ("", written[len(written.rstrip(".,:;")) :])
    )


@given(st.lists(WORDS | PLACES | st.sampled_from(["mail me@example.org,", "@", "://", "50 % = ?", "{'a': 'b@c'}"])))
def test_a_text_without_secrets_is_as_it_was(words: list[str]) -> None:
    text = " ".join(words)
    assert redacted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs/abcd",
        "https://host/#/experiments/1/runs/ab@cd",
        "models:/aws-api-docs.dot-T1@champion",
        "https://host/list?page=2&max_tokens=10&author=me&passages=7&status_code=404",
        "s3://bucket/a@b/collection.tsv",
        "http://[::1]:5000/a@b",
        "sqlite:////home/me@work/mlflow.db",
    ],
)
def test_what_only_looks_like_a_secret_is_kept(text: str) -> None:
    assert redacted(text) == text


def test_params_are_redacted_wherever_a_text_stands() -> None:
    params = {"location": "http://me:secret@host/a", "mirrors": ["s3://host/b?X-Amz-Signature=secret"], "depth": 7}
    assert without_secrets({"collection": params}) == {
        "collection": {"location": "http://host/a", "mirrors": ["s3://host/b?X-Amz-Signature=***"], "depth": 7}
    }


SECRET = "http://me:secret@127.0.0.1:9/a.tsv?X-Amz-Signature=secret"
PLAIN = "http://127.0.0.1:9/a.tsv?X-Amz-Signature=***"


def test_errors_tell_no_secret() -> None:
    error = DownloadError(SECRET, got=f"nothing from {SECRET}", expected="a file", remedy=f"look at {SECRET}")
    assert str(error) == f"{PLAIN}: got nothing from {PLAIN}, expected a file; look at {PLAIN}"
    assert str(error.within(SECRET)) == f"{PLAIN}: {error}"
    assert str(copy.copy(error)) == str(error)


def test_manifests_hold_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_directory(Path("data/collection"), "distilrank collect", {"mirrors": [SECRET]}, []):
        pass
    with new_directory(
        Path("given"), "distilrank import-published", {"source": SECRET}, Path("data/collection/manifest.json")
    ):
        pass
    assert read_manifest(Path("data/collection")).params == {"mirrors": [PLAIN]}
    assert read_manifest(Path("given")).params == {"source": PLAIN}


def test_a_download_tells_and_keeps_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISTILRANK_CACHE", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), EndsEarly) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(downloads, "PAUSES", (0.0,))
        with pytest.raises(DownloadError) as refused:
            downloads.fetched(SECRET.replace(":9/", f":{server.server_port}/"))
        server.shutdown()
    said = capsys.readouterr()
    kept = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert "going on from 65,536" in said.out and len(kept) == 2, refused.value
    assert not [text for text in (str(refused.value), said.out, said.err, *kept) if "secret" in text]


class EndsEarly(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        goes_on = "Range" in self.headers
        self.send_response(206 if goes_on else 200)
        self.send_header("Content-Length", "10" if goes_on else "100000")
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(b"" if goes_on else b"." * 70_000)

    def log_message(self, *_: object) -> None: ...


def test_what_commands_print_is_told_without_secrets() -> None:
    told: list[str] = []
    with Leash() as leash, pytest.raises(CommandFailed) as failed:
        run(["sh", "-c", f"echo 'from {SECRET}'; echo '{SECRET}: refused' >&2; exit 2"], leash, told.append)
    assert told == [f"from {PLAIN}", f"{PLAIN}: refused"]
    assert str(failed.value).endswith(f"{PLAIN}: refused")


def test_an_error_that_nobody_foresaw_tells_no_secret(tmp_path: Path) -> None:
    code = f"""
import distilrank.cli.main as cli
@cli.app.command()
def fails() -> None:
    raise ValueError("{SECRET}")
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code, "fails"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"ValueError: {PLAIN}\n") and "Traceback" in done.stderr
