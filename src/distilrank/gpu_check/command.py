"""The command distilrank-gpu-check, which `make gpu-check` runs. Each group of checks has a process of its own."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import set_forkserver_preload
from pathlib import Path

from rich.console import Console

from distilrank.artifacts.files import write_json, write_text
from distilrank.errors import InputError
from distilrank.gpu_check.findings import Finding, Findings, Outcome

# Modules beside this one, each with a function `check`.
GROUPS = {
    "agreement": "checks of scores and gradients against the processor's",
    "trainings": "trainings, one of them killed",
    "scorings": "scoring through the store, by workers of which one is killed",
    "nearest": "nearest-neighbour search",
    "speed": "rates of scoring, encoding and training",
    "peer": "rates of sentence-transformers",
    "choices": "what each way to compute gains",
}
# The limit of one group, so that a hang leaves time for the others.
_MOST_SECONDS = 240
JSON, MARKDOWN, LOG = "gpu-check.json", "gpu-check.md", "gpu-check.log"


def main() -> None:
    """Runs the command. Exit code 0 if nothing failed, 1 if a check did, 2 for a user's mistake."""
    asked = _arguments()
    try:
        device = _device(asked.device)
        findings = check(device, asked.only or list(GROUPS), asked.minutes, asked.write)
    except InputError as error:
        print(f"distilrank-gpu-check: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(1 if findings.failed() else 0)


def check(device: str, groups: list[str], minutes: float, directory: Path) -> Findings:
    """Runs groups of checks, prints each outcome as it comes, and writes all as JSON and Markdown to `directory`."""
    from distilrank.gpu_check.machine import described
    from distilrank.gpu_check.tables import markdown, show

    os.environ["DISTILRANK_DEVICE"] = device
    # Checks are forked from a server process. A package that asks for cards on import would make that process useless.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    set_forkserver_preload([f"distilrank.gpu_check.{group}" for group in groups])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / LOG).unlink(missing_ok=True)
    findings, console = Findings(described(device)), Console(highlight=False)
    if not console.is_terminal:
        console.width = 140
    deadline = time.monotonic() + 60 * minutes
    for group in groups:
        console.print(f"[bold]{GROUPS[group]}[/bold]")
        for finding in _of_group(group, device, deadline, (directory / LOG).resolve()):
            findings.add(finding)
            if isinstance(finding, Outcome):
                console.print(_line(finding), markup=False, soft_wrap=True)
    write_json(directory / JSON, findings.as_json())
    write_text(directory / MARKDOWN, markdown(findings))
    show(findings, console)
    console.print(f"Written to {directory}: {MARKDOWN}, {JSON}, {LOG}", markup=False)
    return findings


def _of_group(group: str, device: str, deadline: float, log: Path) -> Iterator[Finding]:
    """The findings of a group. If its process is lost, that is one more failed check."""
    from distilrank.gpu_check.apart import Lost, told_apart

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        try:
            # After the deadline, no check begins. One that hangs gets a little longer.
            until = min(deadline + 30, began + _MOST_SECONDS)
            yield from told_apart(_run_group, (group, device, Path(scratch), deadline), log, until)
        except Lost as error:
            yield Outcome(group, "the rest of the group", "failed", str(error), round(time.monotonic() - began, 2))


def _run_group(tell: Callable[[Finding], None], group: str, device: str, scratch: Path, deadline: float) -> None:
    from distilrank.gpu_check.bench import Bench

    # Imported here, so that one group that cannot be imported does not hide the others.
    import_module(f"distilrank.gpu_check.{group}").check(Bench(device, scratch, deadline, tell))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="distilrank-gpu-check",
        description="Check that rankers compute on a card what they compute on a processor, and how fast.",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a self-test of tiny shapes")
    parser.add_argument("--minutes", type=float, default=8, help="after which no check begins (8)")
    parser.add_argument("--write", type=Path, default=Path("gpu-check"), help="the directory of its results")
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", help=f"some of: {', '.join(GROUPS)}")
    return parser.parse_args()


def _device(name: str) -> str:
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device cuda",
            got="no card that torch reaches",
            expected="a card, its driver, and a torch built for CUDA",
            remedy="run it where there is one, or test the program itself with --device cpu",
        )
    return name


def _line(outcome: Outcome) -> str:
    return f"  {outcome.verdict:<11} {outcome.name}{f' ({outcome.detail})' if outcome.detail else ''}"
