"""One-dimensional .npy files, written piece by piece, however long they get."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt


class Append(Protocol):
    def __call__(self, piece: npt.NDArray[Any], /) -> None: ...


@contextmanager
def growing_array(path: Path, kind: type[np.generic]) -> Iterator[Append]:
    """Gives a function that appends a piece of that kind."""
    written = 0

    def append(piece: npt.NDArray[Any]) -> None:
        nonlocal written
        file.write(piece.astype(kind, copy=False).tobytes())
        written += len(piece)

    with path.open("wb") as file:
        _write_header(file, kind, 0)
        yield append
        # NumPy leaves room in the header for any length.
        file.seek(0)
        _write_header(file, kind, written)


def _write_header(file: IO[bytes], kind: type[np.generic], length: int) -> None:
    described = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, described)
