"""The score store: every score that a scorer ever gave, for any run, in Parquet parts.

A part is named after the pairs that were planned for it and after its own content, so that damage shows. It holds its
scorer's fingerprint, so that a part of another scorer shows. A score counts for a pair only if its texts have the
tokens that were scored, since an id may come to mean another text.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from distilrank.artifacts.files import built, read_json, sha256_of, write_json
from distilrank.artifacts.locks import alone_in
from distilrank.data.query_ranges import QueryRange
from distilrank.errors import ScoreError

# Outside the stages' outputs, which DVC deletes before it runs a stage.
ROOT = Path(".store/scores")
# A pair as the store knows it. `texts` is a digest of both texts' tokens.
IDENTITY = {"query_id": pl.String, "passage_id": pl.String, "texts": pl.UInt64}
SCHEMA = {**IDENTITY, "score": pl.Float32}
MANIFEST = "manifest.json"
_NAME = re.compile(r"(?P<pairs>[0-9a-f]{16})-(?P<content>[0-9a-f]{16})\.parquet")


def scorer_of(model: Path, precision: str) -> dict[str, str]:
    """Digests of the weights, of config.json with its lengths in tokens, and of the tokenizer, with the precision.

    Raises MissingInput.
    """
    files = ("model.safetensors", "config.json", "tokenizer.json")
    return {name: sha256_of(built(model / name)) for name in files} | {"precision": precision}


def fingerprint_of(scorer: dict[str, str]) -> str:
    """A scorer's fingerprint: 64 bits in hexadecimal."""
    return hashlib.sha256(json.dumps(scorer, sort_keys=True).encode()).hexdigest()[:16]


class ScoreStore:
    """One scorer's scores, in their own directory."""

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory, self.fingerprint = directory, fingerprint
        self._parts = {match["pairs"]: file for file, match in self._named() if _whole(file, match["content"])}
        for part in self._parts.values():
            self._refuse_foreign(part)

    @classmethod
    @contextmanager
    def opened(cls, scorer: dict[str, str], root: Path = ROOT) -> Iterator[Self]:
        """Opens a scorer's store below `root` for this process alone. Another process waits until the block ends.

        Raises ScoreError for a part that is damaged or another scorer's.
        """
        fingerprint = fingerprint_of(scorer)
        directory = root / fingerprint
        directory.mkdir(parents=True, exist_ok=True)
        with alone_in(directory, f"{directory}: waiting for another scoring by the same ranker"):
            store = cls(directory, fingerprint)
            try:
                yield store
            finally:
                store._describe(scorer)

    def names(self) -> set[str]:
        """The names of its parts."""
        return {part.name for part in self._parts.values()}

    def has(self, pairs_digest: str) -> bool:
        """Whether the part that was planned under this digest is scored."""
        return pairs_digest in self._parts

    def add(self, pairs_digest: str, scored: pl.DataFrame) -> None:
        """Writes a part with finite scores, whole or not at all."""
        temporary = self.directory / f"{pairs_digest}.partial"
        scored.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).write_parquet(
            temporary, metadata={"fingerprint": self.fingerprint}
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        part = self.directory / f"{pairs_digest}-{sha256_of(temporary)[:16]}.parquet"
        temporary.rename(part)
        self._parts[pairs_digest] = part

    def scores(self, queries: QueryRange) -> pl.DataFrame:
        """The stored scores of a range of queries, each pair of texts once."""
        if not self._parts:
            return pl.DataFrame(schema=SCHEMA)
        stored = queries.of(pl.scan_parquet(sorted(self._parts.values()))).collect()
        return stored.unique(list(IDENTITY), keep="first", maintain_order=True)

    def log(self, figures: dict[str, Any]) -> None:
        """Adds the figures of a run to the manifest."""
        manifest = self.manifest()
        write_json(self.directory / MANIFEST, manifest | {"runs": [*manifest.get("runs", []), figures]})

    def manifest(self) -> dict[str, Any]:
        """What the store holds, with digests, and the figures of each run that filled it."""
        file = self.directory / MANIFEST
        manifest: dict[str, Any] = read_json(file) if file.is_file() else {}
        return manifest

    def _describe(self, scorer: dict[str, str]) -> None:
        rows = {part.name: _rows(part) for part in sorted(self._parts.values())}
        described = {"fingerprint": self.fingerprint, "scorer": scorer, "scores": sum(rows.values()), "parts": rows}
        write_json(self.directory / MANIFEST, self.manifest() | described)

    def _named(self) -> Iterator[tuple[Path, re.Match[str]]]:
        for file in sorted(self.directory.iterdir()):
            if file.suffix == ".partial":
                file.unlink()  # left by a kill
            elif match := _NAME.fullmatch(file.name):
                yield file, match
            elif file.name not in (MANIFEST, f".{MANIFEST}.partial"):
                raise _not_trusted(file, "a file that is no part", "<pairs>-<content>.parquet")

    def _refuse_foreign(self, part: Path) -> None:
        owner = pl.read_parquet_metadata(part).get("fingerprint")
        if owner != self.fingerprint:
            raise _not_trusted(part, f"scores of the scorer {owner}", f"those of {self.fingerprint}")


def texts_digest(queries: npt.NDArray[np.uint64], passages: npt.NDArray[np.uint64]) -> pl.Series:
    """A digest (pairs,) of the tokens of both texts, from the digests of each."""
    return pl.Series("texts", queries * np.uint64(0x9E3779B97F4A7C15) + passages)


def digest_of_pairs(pairs: Path) -> str:
    """The name of a planned part."""
    return sha256_of(pairs)[:16]


def _whole(part: Path, content: str) -> bool:
    if (got := sha256_of(part)[:16]) != content:
        raise _not_trusted(part, f"content of digest {got}", content)
    return True


def _rows(part: Path) -> int:
    count: int = pl.scan_parquet(part).select(pl.len()).collect().item()
    return count


def _not_trusted(file: Path, got: str, expected: str) -> ScoreError:
    return ScoreError(file, got=got, expected=expected, remedy="delete the file: its pairs are scored again")
