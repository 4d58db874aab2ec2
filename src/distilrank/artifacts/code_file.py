"""code.yaml: the digest of each stage's code. dvc.yaml names it among the stage's params.

`distilrank lock` renews it, in the root of the project.
"""

from pathlib import Path

from distilrank.artifacts.code import CONSTRAINTS, STAGES, Code, installed_code
from distilrank.artifacts.files import write_text
from distilrank.errors import InputError

CODE_FILE = Path("code.yaml")
_HEADING = (
    "# What each stage's result depends on of the code, as dvc.yaml names it. `distilrank lock` writes this file."
)


def renew_code_file() -> None:
    """Writes code.yaml anew. Raises InputError outside the root of a project."""
    if not CONSTRAINTS.is_file():
        remedy = "run from the root of the project"
        raise InputError(CONSTRAINTS, got="no such file", expected="the libraries' versions", remedy=remedy)
    code = installed_code()
    write_text(CODE_FILE, "\n".join([_HEADING, *(_line(stage, code) for stage in STAGES), ""]))


def refuse_stale_code(*stages: str) -> None:
    """Raises InputError if code.yaml exists and has another digest than the code of a stage, by default of any."""
    if not CODE_FILE.is_file():
        return
    lines, code = CODE_FILE.read_text("utf-8").splitlines(), installed_code()
    if stale := [stage for stage in stages or STAGES if _line(stage, code) not in lines]:
        raise InputError(
            CODE_FILE,
            got=f"digests of other code for {', '.join(stale)}",
            expected="those of the code that is installed here",
            remedy="after a change of code, run `distilrank lock`",
        )


def _line(stage: str, code: Code) -> str:
    """A stage's line, with quotes, because some digests would be numbers."""
    return f'{stage}: "{code.digest(stage)}"'
