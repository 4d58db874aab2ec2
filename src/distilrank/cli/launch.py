"""A training in several processes: DISTILRANK_LAUNCHER names the command that begins them, such as torchrun.

The command that the user gave begins the launcher and waits. It and the launched processes have a folder in common. In
it the first process leaves its exit code, which becomes the command's: so launchers see no failure, of which they would
tell at length, and the others know that they are not waited for. Ctrl-C reaches the command alone, which asks the first
process to stop.
"""

import _thread
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from distilrank.errors import WorkerError
from distilrank.workers.cores import THREADS, threads

_LAUNCHER = "DISTILRANK_LAUNCHER"
# In launched processes: the folder, and the number of the command's process.
_FOLDER, _COMMAND = "DISTILRANK_LAUNCHED_IN", "DISTILRANK_LAUNCHED_BY"
_EXIT_CODE, _STOP = "exit_code", "stop"
_SECONDS_BETWEEN_LOOKS = 0.2
# Whether this process tells users what is to be told. Asked now: a training takes the launcher's variables away.
IS_FIRST = os.environ.get("LOCAL_RANK", "0") == "0" or _FOLDER not in os.environ


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
            remedy="set it so, or unset it",
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        places = {_FOLDER: temporary, _COMMAND: str(os.getpid())}
        # Else torchrun would set 1; the processes divide the cores among them.
        shared = {THREADS: str(threads())}
        process = subprocess.Popen(
            [*launcher, "-m", "distilrank", *sys.argv[1:]], env=os.environ | places | shared, start_new_session=True
        )
        signal.signal(signal.SIGINT, lambda *_: (folder / _STOP).touch())
        code = process.wait()
        left = folder / _EXIT_CODE
        sys.exit(int(left.read_text()) if left.exists() else code)


@contextmanager
def one_of_several() -> Iterator[None]:
    """What a process does that may have been launched: takes a card of its own, and ends when it should."""
    folder = os.environ.get(_FOLDER)
    if not folder:
        yield
        return
    if not IS_FIRST:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  # until this process ends
    _take_card(int(os.environ.get("LOCAL_RANK", "0")))
    Thread(target=_watch, args=(Path(folder), int(os.environ[_COMMAND])), daemon=True).start()
    try:
        yield
    except SystemExit as end:
        if IS_FIRST:
            (Path(folder) / _EXIT_CODE).write_text(str(end.code or 0))
        sys.exit(0)


def let_the_first_end() -> None:
    """Gives the first process, without which others fail, the time to tell why it has ended; then they end as well."""
    if not IS_FIRST:
        time.sleep(5 * _SECONDS_BETWEEN_LOOKS)


def _watch(folder: Path, command: int) -> None:
    """Ends this process with the command's and with the first one; stops the first, once, as Ctrl-C would."""
    # A process that has ended, and was not asked how, still has its number; what is opened here tells.
    running, stopped = os.pidfd_open(command), False
    while True:
        ended, *_ = select.select([running], [], [], _SECONDS_BETWEEN_LOOKS)
        if ended:
            os._exit(1)
        if not IS_FIRST and (folder / _EXIT_CODE).exists():
            os._exit(0)
        if IS_FIRST and not stopped and (folder / _STOP).exists():
            stopped = True
            _thread.interrupt_main()


def _take_card(number: int) -> None:
    """Leaves this process the card of its number alone, before anything looks for cards."""
    if os.environ.get("DISTILRANK_DEVICE") == "cpu":
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = visible.split(",") if visible else [str(number)]
    os.environ["CUDA_VISIBLE_DEVICES"] = cards[number] if number < len(cards) or not visible else ""
