"""Trains in several processes. DISTILRANK_LAUNCHER names the command that starts them, such as torchrun.

The user's command starts the launcher and waits for it. It shares a folder with the processes. There they record how
they ended. They themselves always exit with code 0, because a launcher prints a long report of a process that fails.
"""

import _thread
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import NoReturn

from distilrank.errors import WorkerError
from distilrank.workers.cores import threads

_LAUNCHER = "DISTILRANK_LAUNCHER"
# Variables of launched processes: the folder, and the process id of the user's command.
_FOLDER, _COMMAND = "DISTILRANK_LAUNCHED_IN", "DISTILRANK_LAUNCHED_BY"
_EXIT_CODE, _FAILURE, _STOP = "exit_code", "failure.json", "stop"
_SECONDS_BETWEEN_LOOKS = 0.2
# How long the processes may take to end once one has ended: on GPUs they could wait for it for a long time.
_SECONDS_TO_END = 10.0
# Read at import, because a training removes the launcher's variables.
_IS_FIRST = os.environ.get("LOCAL_RANK", "0") == "0"


def launch() -> None:
    """If a launcher is named, runs this command in several processes and exits with its code.

    Returns if none is named, and in a launched process. Raises WorkerError if there is no such launcher.
    """
    launcher = shlex.split(os.environ.get(_LAUNCHER, ""))
    if not launcher or _FOLDER in os.environ:
        return
    if not shutil.which(launcher[0]):
        raise WorkerError(
            _LAUNCHER,
            got=f"'{launcher[0]}', which is not found",
            expected="a command that begins `-m distilrank` several times, such as torchrun --nproc-per-node=2",
            remedy="correct it, or unset it",
        )
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(_run(launcher, Path(temporary)))


def _run(launcher: list[str], folder: Path) -> int:
    """Runs this command through the launcher, prints why it failed if it did, and returns its exit code."""
    # Otherwise torchrun would set one thread. The processes share the cores among them.
    given = {_FOLDER: str(folder), _COMMAND: str(os.getpid()), "OMP_NUM_THREADS": str(threads())}
    words = [*launcher, "-m", "distilrank", *sys.argv[1:]]
    with _signals(folder):
        process = subprocess.Popen(words, env=os.environ | given, start_new_session=True)
        try:
            code = _followed(process, folder)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            failed = _told(folder)
    if (folder / _EXIT_CODE).exists():
        return int((folder / _EXIT_CODE).read_text())
    if failed is None and not code:
        print(f"distilrank: {_LAUNCHER}: it ended without a training", file=sys.stderr)
    return failed or code or 1


def _told(folder: Path) -> int | None:
    """Prints why a process failed and returns its exit code; returns None if none failed."""
    if (folder / _EXIT_CODE).exists() or not (folder / _FAILURE).exists():
        return None
    failure = json.loads((folder / _FAILURE).read_text())
    print(failure["text"], file=sys.stderr)
    return int(failure["exit_code"])


def _followed(process: "subprocess.Popen[bytes]", folder: Path) -> int:
    """Waits for the launcher, but only a short while once a process has ended; returns its exit code, else 1."""
    patience = float("inf")
    while (code := process.poll()) is None and time.monotonic() < patience:
        if patience == float("inf") and any((folder / name).exists() for name in (_FAILURE, _EXIT_CODE)):
            patience = time.monotonic() + _SECONDS_TO_END
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return 1 if code is None else code


@contextmanager
def _signals(folder: Path) -> Iterator[None]:
    """In the block, the first Ctrl-C asks the first process to stop; a second one, or SIGTERM, ends all."""

    def ask(*_: object) -> None:
        (folder / _STOP).touch()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def end(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, ask), signal.SIGTERM: signal.signal(signal.SIGTERM, end)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def one_of_several() -> Iterator[None]:
    """In a launched process: takes a GPU of its own, ends when the user's command does, and records how it ended."""
    if _FOLDER not in os.environ:
        yield
        return
    folder = Path(os.environ[_FOLDER])
    if not _IS_FIRST:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # stays open until this process ends
    os.environ |= card_of(int(os.environ.get("LOCAL_RANK", "0")), os.environ)
    try:
        # An ended process keeps its id until its parent collects it. A file descriptor shows the end at once.
        command = os.pidfd_open(int(os.environ[_COMMAND]))
    except ProcessLookupError:
        os._exit(1)
    Thread(target=_watch, args=(folder, command), daemon=True).start()
    try:
        yield
    except SystemExit as end:
        if (folder / _FAILURE).exists():
            # Without cleaning up, which would print warnings.
            os._exit(0)
        if _IS_FIRST:
            (folder / _EXIT_CODE).write_text(str(end.code or 0))
        sys.exit(0)


def tell(text: str, exit_code: int) -> NoReturn:
    """Ends this process with a failure. If several processes fail, the user is told once."""
    if _FOLDER not in os.environ:
        print(text, file=sys.stderr)
        sys.exit(exit_code)
    folder = Path(os.environ[_FOLDER])
    own = folder / f"{_FAILURE}.{os.getpid()}"
    # The folder may be gone, together with the user's command.
    with suppress(FileExistsError, FileNotFoundError):
        own.write_text(json.dumps({"text": text, "exit_code": exit_code}))
        # Only the first failure tells the cause: the other processes fail because that one is gone.
        os.link(own, folder / _FAILURE)
    sys.exit(exit_code)


def card_of(number: int, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that show a process only the GPU of its number, or none if there are not that many."""
    if environment.get("DISTILRANK_DEVICE") == "cpu":
        return {}
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return {"CUDA_VISIBLE_DEVICES": str(number)}
    cards = [card.strip() for card in visible.split(",")]
    return {"CUDA_VISIBLE_DEVICES": cards[number] if number < len(cards) else ""}


def _watch(folder: Path, command: int) -> None:
    """Ends this process when the user's command ends. In the first process, passes on the first Ctrl-C."""
    stopped = False
    while not select.select([command], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
        if _IS_FIRST and not stopped and (folder / _STOP).exists():
            stopped = True
            _thread.interrupt_main()
    os._exit(1)
