"""Commands that start at once: each is a fork of one process that has imported the slow libraries.

Importing torch and transformers takes some eight seconds of a core, as long as many a stage's own work. This file, as
a program, imports them once and listens on a socket. It imports nothing of this package: each command does that anew,
from its own path. A command hands its words, environment and open files over, waits, and ends as its fork did. Between
them is a keeper, a process that waits for the fork, passes signals on to it, and ends it when the command dies.

After a process has touched a GPU, its forks cannot, so this is for commands on the CPU.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from runpy import run_module
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from distilrank.workers.leash import Leash

# The variable that names the environment whose libraries are imported, and the socket.
PRELOADED = "DISTILRANK_PRELOADED"
# What most stages import, of other projects. Without polars and pyarrow, whose threads a fork would lack.
_SLOW = (
    "torch",
    "transformers.trainer_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    "pydantic",
    "typer",
)
# What these libraries read of the environment when they are imported. A command that has other values imports anew.
_READ_AT_IMPORT = ("HOME", "HF_", "TORCH_", "TRANSFORMERS_", "MKL_", "TYPER_", "PYTHON")
_LENGTH, _CODE = struct.Struct("!I"), struct.Struct("!i")
_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
# A keeper's answer in the place of an exit code: the command must run by itself.
_NOT_HERE = 256
_PR_SET_PDEATHSIG = 1


@contextmanager
def preloaded(leash: "Leash", environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Starts the process on a leash. Yields the variable by which commands find it; until it listens, they do not."""
    with TemporaryDirectory(prefix="distilrank-") as folder:
        path = Path(folder) / "socket"
        with leash.start([sys.executable, "-P", __file__, str(path)], environment, subprocess.DEVNULL) as process:
            try:
                yield {PRELOADED: f"{sys.prefix}:{path}"}
            finally:
                process.terminate()


def run_in_fork() -> None:
    """Runs this command in a fork of the process that PRELOADED names, and ends as the fork did.

    Returns if there is no such process, or if it imported with other settings or for another Python environment.
    """
    prefix, _, path = os.environ.get(PRELOADED, "").rpartition(":")
    if prefix != sys.prefix:
        return
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(path)
        except OSError:
            return
        before = {number: signal.getsignal(number) for number in _PASSED_ON}
        code = _asked(server)
        for number in _PASSED_ON:
            signal.signal(number, before[number] if code == _NOT_HERE else signal.SIG_IGN)
    if code != _NOT_HERE:
        _end(code)


def _asked(server: socket.socket) -> int:
    """Hands this command over and passes signals on. Returns its exit code, minus a signal's number, or _NOT_HERE."""
    variables = {name: value for name, value in os.environ.items() if name != PRELOADED}
    request = {"words": sys.argv, "folder": str(Path.cwd()), "path": sys.path, "variables": variables}
    text = json.dumps(request).encode()

    def pass_on(number: int, _: object) -> None:
        with suppress(OSError):
            server.send(bytes([number]))

    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # until the request is through
    try:
        socket.send_fds(server, [_LENGTH.pack(len(text))], [0, 1, 2])
        server.sendall(text)
        for number in _PASSED_ON:
            signal.signal(number, pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        answer = server.recv(_CODE.size, socket.MSG_WAITALL)
    except OSError:
        answer = b""
    return int(_CODE.unpack(answer)[0]) if answer else -signal.SIGKILL


def _end(code: int) -> NoReturn:
    """Ends this process as another ended: with its exit code, or by its signal."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(path: str) -> None:
    """Forks for each request. Returns in a fork that is to run its command."""
    for name in _SLOW:
        import_module(name)
    gc.freeze()  # otherwise garbage collection would write to, and so copy, what all forks share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            client, _ = listener.accept()
            if not os.fork():
                break
            client.close()
    _keep(client)


def _keep(client: socket.socket) -> None:
    """Forks once more. Returns in the command; this process, its keeper, tells the client how the command ended."""
    os.setsid()  # a keeper ends when its client does, not with the process that it came from
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, _, _ = socket.recv_fds(client, _LENGTH.size, 3)
    request = json.loads(client.recv(_LENGTH.unpack(length)[0], socket.MSG_WAITALL))
    if _read_at_import(request["variables"]) != _read_at_import(os.environ):
        client.sendall(_CODE.pack(_NOT_HERE))
        os._exit(0)
    command = os.fork()
    if not command:
        client.close()
        _become(request, files)
        return
    for file in files:
        os.close(file)
    client.sendall(_CODE.pack(_followed(command, client)))
    os._exit(0)


def _read_at_import(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_READ_AT_IMPORT)}


def _followed(command: int, client: socket.socket) -> int:
    """Waits for the command and passes the client's signals on. Returns its exit code, or minus a signal's number.

    When the client dies, so does the command, with all of its group. What a command left in its group is asked to end.
    """
    ended = os.pidfd_open(command)
    os.setpgid(command, command)
    while ended not in select.select([ended, client.fileno()], [], [])[0]:
        number = client.recv(1)
        os.killpg(command, number[0] if number else signal.SIGKILL)
        if not number:
            os._exit(1)
    os.killpg(command, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Gives this process the place, words, environment and open files of the client."""
    import ctypes  # which no client needs

    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # when its keeper dies
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    sys.path[:], sys.argv[:] = request["path"], request["words"]
    from distilrank.workers.cores import chosen_threads  # by the client's path

    if threads := chosen_threads():  # torch read the variable when it was imported
        sys.modules["torch"].set_num_threads(threads)


if __name__ == "__main__":
    serve(sys.argv[1])
    run_module("distilrank.cli", run_name="__main__")
