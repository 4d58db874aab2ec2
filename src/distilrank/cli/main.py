"""The command `distilrank`."""

import atexit
import gc
import traceback
from importlib import import_module

from distilrank.cli.app import app
from distilrank.cli.launch import one_of_several, tell
from distilrank.errors import InputError, to_install
from distilrank.redaction import redacted

# Libraries by import name, each with the extra of this package that installs it.
_EXTRAS = {
    "dvc": "flows", "dvc_data": "flows", "prefect": "flows", "mlflow": "tracking", "faiss": "cpu", "ray": "ray",
    "peft": "lora", "fastapi": "serve", "uvicorn": "serve",
}  # fmt: skip
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
        app()
    except InputError as error:
        tell(f"distilrank: {error}", error.exit_code)
    except Exception as error:  # a bug of ours or of a library, whose message may hold a URL with secrets
        extra = _extra_that_brings(error)
        if extra:
            tell(f"distilrank: {error}, which this command needs; {to_install(extra)}", InputError.exit_code)
        else:
            tell(redacted(traceback.format_exc()).rstrip("\n"), 1)


def _extra_that_brings(error: Exception) -> str | None:
    """The extra that would install the library whose import failed, or None."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    return _EXTRAS.get(error.name.partition(".")[0])
