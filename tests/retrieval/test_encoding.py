"""Passages encoded by workers, part by part: the same vectors as in memory, gone on with after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from distilrank.artifacts import layout
from distilrank.artifacts.files import read_json
from distilrank.config.params import Params
from distilrank.data.tokenizer import TextTokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError, ScoreError
from distilrank.rankers.dot.params import DotParams
from distilrank.rankers.loading import begin_ranker, load_ranker, pretrained
from distilrank.retrieval import encoding, fitting
from distilrank.retrieval.encoding import DONE, encoded_passages
from distilrank.retrieval.vector_store import VECTORS_FILE
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.searching import Encoding

PARTS = Encoding(passages_per_part=10)
# Encodes, and tells of each part; with a second argument it is slow, so that it can be killed in between.
PROGRAM = """
import sys, time
from pathlib import Path
from distilrank.data.tokens import TokenStore
from distilrank.retrieval import encoding
from distilrank.sections.searching import Encoding

class Slow(encoding._PartsInFile):
    def add(self, part):
        super().add(part)
        print("part", part.first, flush=True)
        time.sleep(0.2 if len(sys.argv) > 3 else 0)

encoding._PartsInFile = Slow
tokens = TokenStore.open(Path("data/tokens"))
encoding.encoded_passages(
    Path(sys.argv[1]), tokens, tokens.passage_ids[:100], Path(sys.argv[2]), Encoding(passages_per_part=10), "dot"
)
"""


@pytest.fixture
def dot(project: Path, backbone: Path, tiny_params: Params, tmp_path: Path) -> Path:
    params, tokenizer = DotParams(layers=1, pooling="mean"), TextTokenizer(layout.TOKENS)
    begin_ranker(params, pretrained(backbone), tiny_params.tokens, tokenizer).save_pretrained(tmp_path / "dot")
    return tmp_path / "dot"


def in_memory(model: Path, tokens: TokenStore, ids: pl.Series) -> Vectors:
    ranker, rows = load_ranker(model), tokens.passage_rows(ids)
    return encode_vectors(ranker.encode_passages, tokens.passages, rows, tokens.special_tokens.pad, ranker.device)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_write_what_is_encoded_in_memory(
    dot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.setenv("DISTILRANK_WORKERS", workers)
    tokens = TokenStore.open(layout.TOKENS)
    ids = tokens.passage_ids.gather_every(3)[:45]
    store = encoded_passages(dot, tokens, ids, tmp_path / "vectors", PARTS, "dot")
    np.testing.assert_allclose(store.vectors_of(ids), in_memory(dot, tokens, ids), rtol=1e-5, atol=1e-6)


def test_a_killed_encoding_goes_on_with_the_parts_that_are_not_there(dot: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(dot), str(tmp_path / "vectors")]
    killed = subprocess.Popen([*command, "slowly"], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert killed.stdout is not None
    done = [killed.stdout.readline() for _ in range(4)]  # the first tells the size
    killed.send_signal(signal.SIGKILL)
    done += killed.stdout.readlines()
    killed.wait()
    done = [line for line in done if line.startswith("part")]
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    rest = [line for line in again.stdout.splitlines(keepends=True) if line.startswith("part")]
    # A part may have been written whose line was not.
    assert 9 <= len(set(done) | set(rest)) <= 10 and not set(done) & set(rest)
    assert "going on from" in again.stdout
    tokens = TokenStore.open(layout.TOKENS)
    ids = tokens.passage_ids[:100]
    whole = np.load(tmp_path / "vectors" / VECTORS_FILE)
    np.testing.assert_allclose(whole, in_memory(dot, tokens, ids), rtol=1e-5, atol=1e-6)


def test_other_passages_or_another_form_are_encoded_anew(dot: Path, tmp_path: Path) -> None:
    tokens, place = TokenStore.open(layout.TOKENS), tmp_path / "vectors"
    first, other = tokens.passage_ids[:20], tokens.passage_ids[20:40]
    encoded_passages(dot, tokens, first, place, PARTS, "dot")
    store = encoded_passages(dot, tokens, other, place, PARTS, "dot")
    np.testing.assert_allclose(store.vectors_of(other), in_memory(dot, tokens, other), rtol=1e-5, atol=1e-6)
    halves = encoded_passages(dot, tokens, other, place, Encoding(store="float16"), "dot")
    assert np.load(place / VECTORS_FILE).dtype == np.float16
    np.testing.assert_allclose(halves.vectors_of(other), store.vectors_of(other), rtol=1e-3, atol=1e-3)
    assert read_json(place / DONE)["parts"] == [0]


def test_vectors_without_room_are_refused_before_their_file_is_made(
    dot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """50 vectors of 384 numbers: 76,800 bytes. Those that are there need no more room."""
    tokens, place = TokenStore.open(layout.TOKENS), tmp_path / "vectors"
    ids = tokens.passage_ids[:50]

    def free(bytes: int) -> None:
        monkeypatch.setattr(fitting.shutil, "disk_usage", lambda _: type("Usage", (), {"free": bytes}))

    free(40_000)
    with pytest.raises(InputError, match=r"dot: got vectors of 50 passages of 384 numbers in float32, .* float16"):
        encoded_passages(dot, tokens, ids, place, PARTS, "dot")
    assert not (place / VECTORS_FILE).exists()
    free(80_000)
    encoded_passages(dot, tokens, ids, place, PARTS, "dot")
    assert "dot: vectors of 50 passages of 384 numbers in float32, 0.000 GB on disk" in capsys.readouterr().out
    (place / DONE).write_text(json.dumps(read_json(place / DONE) | {"parts": [0, 10, 20]}))
    free(0)
    encoded_passages(dot, tokens, ids, place, PARTS, "dot")


def test_a_number_beyond_float16_is_refused(dot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def large(model: Path) -> object:
        return lambda part: encoding.EncodedPassages(part.first, np.full((len(part.texts), 4), 1e5, np.float32))

    monkeypatch.setattr(encoding, "begin_encoding", large)
    tokens = TokenStore.open(layout.TOKENS)
    with pytest.raises(ScoreError, match="got the number 100000, expected at most 65504"):
        encoded_passages(dot, tokens, tokens.passage_ids[:5], tmp_path, Encoding(store="float16"), "dot")
