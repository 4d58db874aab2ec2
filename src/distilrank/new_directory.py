"""What a user asks to have written beside the pipeline: a new directory, whole or absent, with its manifest."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distilrank.artifacts import MANIFEST, Manifest, sha256_of, write_json
from distilrank.errors import InputError
from distilrank.redaction import without_secrets


@contextmanager
def new_directory(target: Path, made_by: str, params: Mapping[str, Any], source: Path) -> Iterator[Path]:
    """Gives a directory to write to; on success it becomes `target`, beside which it stands, by one rename.

    The manifest tells which file it was made from. Raises InputError where `target` exists.
    """
    if target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as temporary:
        draft = Path(temporary) / target.name
        draft.mkdir()
        yield draft
        files = sorted(file for file in draft.rglob("*") if file.is_file())
        digests = {str(file.relative_to(draft)): sha256_of(file) for file in files}
        manifest = Manifest(made_by, without_secrets(dict(params)), {str(source): sha256_of(source)}, {}, digests)
        write_json(draft / MANIFEST, asdict(manifest))
        draft.rename(target)
