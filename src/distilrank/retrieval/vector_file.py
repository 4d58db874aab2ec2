"""Passage vectors in a file, block by block: in memory stands one block, and a killed encoding goes on where it was."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from distilrank.artifacts.files import read_json, write_json
from distilrank.data.ragged import Rows, StoredTexts
from distilrank.progress import progress
from distilrank.rankers.base import Ranker
from distilrank.retrieval.vectors import Vectors, encode_vectors
from distilrank.sections.precision import Precision

VECTORS, DONE = "vectors.npy", "done.json"
# Passages of a block.
_AT_ONCE = 32_768


def passage_vectors(
    ranker: Ranker,
    texts: StoredTexts,
    rows: Rows,
    directory: Path,
    whose: str,
    precision: Precision = "float32",
    at_once: int = _AT_ONCE,
) -> Vectors:
    """A dense ranker's vectors (rows, width) of the passages in `rows`, in their order, mapped from `directory`.

    What stands there of the same rows is gone on with. `whose` they are is shown.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file, done, of = directory / VECTORS, directory / DONE, sha256(rows.tobytes()).hexdigest()
    before = read_json(done) if done.is_file() else {}
    first: int = before["rows"] if before.get("of") == of else 0
    vectors: np.memmap[Any, np.dtype[np.float32]] | None = None
    if first:
        vectors = np.load(file, mmap_mode="r+", allow_pickle=False)
    with progress(f"passages encoded by {whose}", len(rows), first) as advance:
        for start in range(first, len(rows), at_once):
            block = rows[start : start + at_once]
            encoded = encode_vectors(
                ranker.encode_passages, texts.passages, block, texts.pad, ranker.device, advance, precision
            )
            if vectors is None:
                shape = (len(rows), encoded.shape[1])
                vectors = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
            vectors[start : start + len(block)] = encoded
            vectors.flush()
            write_json(done, {"rows": start + len(block), "of": of})
    return np.empty((0, 0), np.float32) if vectors is None else vectors
