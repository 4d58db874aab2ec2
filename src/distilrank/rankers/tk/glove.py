"""Word vectors from a GloVe text file, for the word pieces of a vocabulary."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from distilrank.errors import BackboneError
from distilrank.rankers.tk.params import Glove

Table = npt.NDArray[np.float32]
# The marks by which tokenizers tell a piece within a word from one that begins a word.
_MARKS = ("##", "\u0120", "\u2581")


def glove_table(params: Glove, vocabulary: Sequence[str]) -> Table:
    """Vectors (vocabulary, width) from the file, for the words and pieces of words that it knows.

    Others get random vectors on the scale of the known ones. Raises DownloadError for a file that is absent or not the
    right one, and CollectionError for one that is no text. Raises BackboneError if lines are no vectors, or if no
    word of the vocabulary has one.
    """
    words = [_word(piece) for piece in vocabulary]
    found = dict(_vectors(params, set(words)))
    if not found:
        raise _refused(params.location, "no word of the vocabulary", "words of the language", "use another file")
    known = np.stack(list(found.values()))
    random = np.random.default_rng(0).normal(known.mean(), known.std(), (len(words), known.shape[1]))
    return np.stack([found.get(word, other) for word, other in zip(words, random, strict=True)]).astype(np.float32)


def _word(piece: str) -> str:
    for mark in _MARKS:
        piece = piece.removeprefix(mark)
    return piece


def _vectors(params: Glove, wanted: set[str]) -> Iterator[tuple[str, Table]]:
    from distilrank.data.files import text_of  # imports polars, which the GPU check does without

    width = None
    text = text_of(params.location, params.checksum, params.mirrors)
    for place, line in ((first + number, line) for first, lines in text.blocks() for number, line in enumerate(lines)):
        width = width or line.rstrip().count(" ")
        # Some words hold spaces.
        word, *numbers = line.rstrip().rsplit(" ", width)
        # Most words are not wanted, so their numbers are only counted, not parsed.
        vector = _vector(numbers) if word in wanted else None
        if not len(numbers) == width > 0 or (word in wanted and vector is None):
            raise _refused(f"{text}:{place}", f"'{line[:40]}'", f"a word and {width} numbers", "mend the file")
        if vector is not None:
            yield word, vector


def _vector(numbers: list[str]) -> Table | None:
    try:
        vector = np.array(numbers, np.float32)
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() else None


def _refused(where: str, got: str, expected: str, remedy: str) -> BackboneError:
    return BackboneError(where, got=got, expected=expected, remedy=remedy)
