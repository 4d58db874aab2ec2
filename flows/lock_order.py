"""The order of stages in dvc.lock.

DVC appends a stage to dvc.lock when it first builds it. Stages that run side by side end in any order, so the file
would differ from run to run, and from the one that `dvc repro` writes. So the new entries are put in `dvc repro`'s
order.
"""

import re

from distilrank.artifacts.dvc_files import LOCK
from distilrank.artifacts.files import write_text
from flows.graph import serial_order

STAGES = re.compile(r"^stages:\n((?:  .*\n|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^  (?P<name>\S.*):\n(?:   .*\n|\n)*", re.MULTILINE)


def locked_stages() -> list[str]:
    """The names of the stages in dvc.lock, in the file's order."""
    return list(entries(LOCK.read_text(encoding="utf-8"))) if LOCK.exists() else []


def order_new_stages(known: list[str]) -> None:
    """Puts the stages that are new in dvc.lock, beside the known ones, in the order of `dvc repro`."""
    new = locked_stages()[len(known) :]
    if len(new) < 2:
        return
    serial = serial_order()
    wanted = known + sorted(new, key=serial.index)
    text = LOCK.read_text(encoding="utf-8")
    by_name = entries(text)
    ordered = "".join(by_name[name] for name in wanted)
    write_text(LOCK, STAGES.sub(lambda _: f"stages:\n{ordered}", text, count=1))


def entries(text: str) -> dict[str, str]:
    """The text of each stage's entry, under the stage's name."""
    stages = STAGES.search(text)
    found = ENTRY.finditer(stages[1]) if stages else ()
    return {entry["name"].strip("'\""): entry[0] for entry in found}
