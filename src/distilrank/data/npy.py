""".npy files of any length, written piece by piece."""

import math
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
    """Gives a function that appends an array of type `kind`."""
    written = 0

    def append(piece: npt.NDArray[Any]) -> None:
        nonlocal written
        file.write(piece.astype(kind, copy=False).tobytes())
        written += len(piece)

    with path.open("wb") as file:
        _write_header(file, np.dtype(kind), (0,))
        yield append
        # NumPy leaves room in the header for a larger length.
        file.seek(0)
        _write_header(file, np.dtype(kind), (written,))


def append_rows(path: Path, kept: int, rows: npt.NDArray[Any]) -> None:
    """Writes rows after the first `kept` rows of a file. Whatever followed these is lost."""
    with path.open("r+b" if kept else "wb") as file:
        _write_header(file, rows.dtype, (kept + len(rows), *rows.shape[1:]))
        end = file.tell() + kept * rows.itemsize * math.prod(rows.shape[1:])
        file.truncate(end)
        file.seek(end)
        file.write(rows.tobytes())


def _write_header(file: IO[bytes], kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    described = {"descr": kind.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
