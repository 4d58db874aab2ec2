"""Makes one archive for a GPU check without a network: the source, and the libraries that are missing beside torch.

    python -m infra.gpu_bundle [distilrank-gpu-check.tar.xz]

It carries unpacked wheels for Python 3.11 to 3.13 on x86-64. The machine must bring torch, transformers and numpy.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
# The libraries, with all that they need, except what torch and transformers bring.
CARRIED = (
    "accelerate",
    "annotated-types",
    "markdown-it-py",
    "mdurl",
    "polars",
    "polars-runtime-32",
    "psutil",
    "pydantic",
    "pydantic-core",
    "pygments",
    "rich",
    "typing-extensions",
    "typing-inspection",
)
# What the trainers of sentence-transformers need. `datasets` itself needs pandas and pyarrow, which are too large to
# carry, and transformers breaks if it finds `datasets` without them.
FOR_TRAINERS = ("datasets", "dill", "multiprocess")
MOST_MEGABYTES = 60
RUN = """#!/bin/sh
# The GPU check, with the torch, transformers and numpy of this machine. PYTHON names another python3.
set -e
if [ "$(uname -m)" != x86_64 ]; then
    echo "run.sh: got a processor $(uname -m), expected x86_64, for which its wheels are; run make gpu-check there" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
export PYTHONPATH="$here/src:$here/carried:$here/carried-$version${PYTHONPATH:+:$PYTHONPATH}"
if "$python" -c 'import pandas, pyarrow, xxhash' 2>/dev/null; then
    PYTHONPATH="$PYTHONPATH:$here/trainers:$here/trainers-$version"
fi
export HF_HUB_OFFLINE=1
exec "$python" -m distilrank.gpu_check --write "$here/results" "$@"
"""


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "distilrank-gpu-check.tar.xz")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "distilrank-gpu-check"
        lay_out(folder)
        draft = Path(temporary) / target.name
        with tarfile.open(draft, "w:xz", preset=0) as archive:  # preset 3 takes five times as long to save a tenth
            archive.add(folder, folder.name)
        megabytes = draft.stat().st_size / 1e6
        if megabytes > MOST_MEGABYTES:
            sys.exit(f"{target}: got {megabytes:.1f} MB, expected at most {MOST_MEGABYTES}; carry less in {__file__}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(draft, target)
    print(f"{target}: {megabytes:.1f} MB. There: python3 -m tarfile -e {target.name} . && sh {folder.name}/run.sh")


def lay_out(folder: Path) -> None:
    """Writes the source, the wheels and the command into a new folder."""
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", folder / "src", ignore=leave)
    shutil.copy(ROOT / "LICENSE", folder)
    for wheel in downloaded(ROOT / ".work" / "gpu-bundle"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder / _place_of(wheel))
    (folder / "run.sh").write_text(RUN, "utf-8")


def downloaded(wheels: Path) -> list[Path]:
    """The wheels of the pinned versions. pip fetches those that are not in the folder yet."""
    pins = dict(re.findall(r"^(\S+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    wanted = [f"{name}=={pins[name]}" for name in (*CARRIED, *FOR_TRAINERS)]
    for python in PYTHONS:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        command += [part for platform in PLATFORMS for part in ("--platform", platform)]
        subprocess.run([*command, "--dest", str(wheels), *wanted], check=True)
    found = [wheel for wheel in sorted(wheels.glob("*.whl")) if f"{_name(wheel)}=={wheel.name.split('-')[1]}" in wanted]
    missing = {*CARRIED, *FOR_TRAINERS} - {_name(wheel) for wheel in found}
    if missing:
        sys.exit(f"{wheels}: got no wheel of {', '.join(sorted(missing))}, expected one each; run it again")
    return found


def _place_of(wheel: Path) -> str:
    """The folder for a wheel: one for all Pythons, or one for the only Python that the wheel is for."""
    python, abi = wheel.stem.split("-")[-3:-1]
    one = re.fullmatch(r"(?:py|cp)3(\d+)", python)
    place = "trainers" if _name(wheel) in FOR_TRAINERS else "carried"
    return f"{place}-3.{one[1]}" if one and abi != "abi3" else place


def _name(wheel: Path) -> str:
    return wheel.name.split("-")[0].replace("_", "-").lower()


if __name__ == "__main__":
    main()
