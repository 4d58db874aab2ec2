"""The command `distilrank`."""

import atexit
import gc
import traceback
from importlib import import_module

from distilrank.cli.app import app
from distilrank.cli.launch import one_of_several, tell
from distilrank.errors import InputError, telling_extras
from distilrank.redaction import redacted

# Each module adds its commands, in the order of --help.
for _commands in ("state", "project", "stages", "results", "compare", "check_results", "registry", "exchange"):
    import_module(f"distilrank.cli.{_commands}")


def main() -> None:
    """Runs a command. A user's mistake prints one line and exits with code 2; if a server does not answer, with 75."""
    # At Python's default threshold, garbage collection takes a quarter of the time of importing torch and MLflow.
    gc.set_threshold(200_000)
    # At exit, garbage collection over all that was imported takes more than a second.
    atexit.register(gc.freeze)
    with one_of_several():
        _run()


def _run() -> None:
    try:
        with telling_extras():
            app()
    except InputError as error:
        tell(f"distilrank: {error}", error.exit_code)
    except Exception:  # a bug of ours or of a library, whose message may hold a URL with secrets
        tell(redacted(traceback.format_exc()).rstrip("\n"), 1)
