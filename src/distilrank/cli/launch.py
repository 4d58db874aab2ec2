"""A training in several processes: DISTILRANK_LAUNCHER names the command that begins them, such as torchrun.

The command that the user gave begins the launcher and follows it. It has a folder in common with the processes: there
they leave how they ended, and always end with 0 themselves, because a launcher tells at length of one that fails.
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
# In launched processes: the folder, and the number of the command's process.
_FOLDER, _COMMAND = "DISTILRANK_LAUNCHED_IN", "DISTILRANK_LAUNCHED_BY"
_EXIT_CODE, _FAILURE, _STOP = "exit_code", "failure.json", "stop"
_SECONDS_BETWEEN_LOOKS = 0.2
# What a process may take to end once another has: one that waits for it on a card would wait for long.
_SECONDS_TO_END = 10.0
# Asked now: a training takes the launcher's variables away.
_IS_FIRST = os.environ.get("LOCAL_RANK", "0") == "0"


def launch() -> None:
    """Runs this command in several processes, and ends with its exit code, where a launcher is named.

    Returns where none is, and in the processes that were launched. Raises WorkerError where there is no such launcher.
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
    """Runs this command by the launcher, and gives its exit code; prints why it failed."""
    # Else torchrun would set one thread; the processes divide the cores among them.
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
    """Prints why a process failed, where one has, and gives its exit code."""
    if (folder / _EXIT_CODE).exists() or not (folder / _FAILURE).exists():
        return None
    failure = json.loads((folder / _FAILURE).read_text())
    print(failure["text"], file=sys.stderr)
    return int(failure["exit_code"])


def _followed(process: "subprocess.Popen[bytes]", folder: Path) -> int:
    """The launcher's exit code once it has ended; a while after a process's end, whether it has or not."""
    patience = float("inf")
    while (code := process.poll()) is None and time.monotonic() < patience:
        if patience == float("inf") and any((folder / name).exists() for name in (_FAILURE, _EXIT_CODE)):
            patience = time.monotonic() + _SECONDS_TO_END
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return 1 if code is None else code


@contextmanager
def _signals(folder: Path) -> Iterator[None]:
    """In the block, the first Ctrl-C asks the first process to stop; a second one, or SIGTERM, ends them all."""

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
    """What a launched process does: takes a card of its own, ends with the command, and leaves how it ended."""
    if _FOLDER not in os.environ:
        yield
        return
    folder = Path(os.environ[_FOLDER])
    if not _IS_FIRST:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # until this process ends
    os.environ |= card_of(int(os.environ.get("LOCAL_RANK", "0")), os.environ)
    try:
        # A process that has ended, and was not asked how, still has its number; what is opened here tells.
        command = os.pidfd_open(int(os.environ[_COMMAND]))
    except ProcessLookupError:
        os._exit(1)
    Thread(target=_watch, args=(folder, command), daemon=True).start()
    try:
        yield
    except SystemExit as end:
        if (folder / _FAILURE).exists():
            # At once: what was not taken down would be complained of.
            os._exit(0)
        if _IS_FIRST:
            (folder / _EXIT_CODE).write_text(str(end.code or 0))
        sys.exit(0)


def tell(text: str, exit_code: int) -> NoReturn:
    """Ends this process with a failure, which the user is told of: once, where several processes fail."""
    if _FOLDER not in os.environ:
        print(text, file=sys.stderr)
        sys.exit(exit_code)
    folder = Path(os.environ[_FOLDER])
    own = folder / f"{_FAILURE}.{os.getpid()}"
    # The folder may have gone with the command.
    with suppress(FileExistsError, FileNotFoundError):
        own.write_text(json.dumps({"text": text, "exit_code": exit_code}))
        # Whoever fails first knows why; others fail since that one has gone.
        os.link(own, folder / _FAILURE)
    sys.exit(exit_code)


def card_of(number: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What leaves a process the card of its number alone; none where there are not so many."""
    if environment.get("DISTILRANK_DEVICE") == "cpu":
        return {}
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return {"CUDA_VISIBLE_DEVICES": str(number)}
    cards = [card.strip() for card in visible.split(",")]
    return {"CUDA_VISIBLE_DEVICES": cards[number] if number < len(cards) else ""}


def _watch(folder: Path, command: int) -> None:
    """Ends this process with the command's; stops the first, once, as Ctrl-C would."""
    stopped = False
    while not select.select([command], [], [], _SECONDS_BETWEEN_LOOKS)[0]:
        if _IS_FIRST and not stopped and (folder / _STOP).exists():
            stopped = True
            _thread.interrupt_main()
    os._exit(1)
