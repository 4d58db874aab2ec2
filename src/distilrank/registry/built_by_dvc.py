"""The digests in dvc.lock of what DVC built, and whether the files still match them."""

import sys
from hashlib import file_digest
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from distilrank.artifacts.dvc_files import LOCK, mend
from distilrank.errors import MissingInput


class BuiltByDvc:
    """The digests of the outputs in dvc.lock, by path."""

    def __init__(self) -> None:
        """Repairs a dvc.lock that a kill left incomplete, then reads it. Raises MissingInput if there is none."""
        mend(lambda line: print(line, file=sys.stderr))
        if not LOCK.is_file():
            raise _not_built(LOCK)
        lock: dict[str, Any] = YAML(typ="safe", pure=True).load(LOCK)
        outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
        self._digests: dict[str, str] = {out["path"]: out["md5"] for out in outs}
        self._checked = set[Path]()

    def digest(self, directory: Path) -> str:
        """The digest of a directory. Raises MissingInput if DVC has not built it, or if it has changed since."""
        if str(directory) not in self._digests or not directory.exists():
            raise _not_built(directory)
        expected = self._digests[str(directory)]
        if directory not in self._checked and digest_now(directory) != expected:
            raise MissingInput(
                directory,
                got="files that differ from what DVC built",
                expected=f"those of {LOCK}",
                remedy="bring both in line with `dvc repro`",
            )
        self._checked.add(directory)
        return expected


def digest_now(directory: Path) -> str | None:
    """DVC's digest of a directory as it is now."""
    from dvc_data.hashfile.tree import Tree

    files = [file for file in directory.rglob("*") if file.is_file()]
    entries = [{"relpath": file.relative_to(directory).as_posix(), "md5": _md5_of(file)} for file in files]
    tree = Tree.from_list(entries, hash_name="md5")
    tree.digest()
    return tree.hash_info.value if tree.hash_info else None


def _md5_of(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "md5").hexdigest()


def _not_built(place: Path) -> MissingInput:
    return MissingInput(
        place, got="nothing that DVC built", expected="the output of a stage", remedy="build it with `dvc repro`"
    )
