"""What goes wrong in a process of its own; a module, so that a process that is not forked finds it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from distilrank.gpu_check.apart import Tell


def tells(tell: Tell, *values: int) -> None:
    for value in values:
        tell(value)
    print("said in the process")


def crashes(tell: Tell) -> None:
    tell("before")
    os.kill(os.getpid(), signal.SIGSEGV)


def raises(tell: Tell) -> None:
    tell("before")
    raise ValueError("of no use")


def hangs(tell: Tell, pid_of_child: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pid_of_child.write_text(str(child.pid))
    tell("before")
    time.sleep(600)
