"""The gates that check a model's files as a server would load them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from distilrank.artifacts.manifest import MANIFEST, faults
from distilrank.mlflow_client import tracking_uri
from distilrank.registry.built_by_dvc import digest_now
from distilrank.registry.clean_process import SECONDS, Answered, Requests, answered_alone, loads, not_tried
from distilrank.registry.gates import Gate
from distilrank.registry.names import Tag
from distilrank.sections.measuring import Promotion
from distilrank.serving.own_code import package_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# The kinds of files that a model may hold. Reading one of them executes nothing.
HARMLESS = {".safetensors", ".json", ".txt", ".yaml", ".parquet", ".faiss", ".npy"}
NAMED_BY_MLFLOW = {"MLmodel", "registered_model_meta"}
# The exception is the code that serves the model. `logged_model.py` puts it in places of its own.
SERVED_RANKER, CODE = "served_ranker.py", "code"
# The first bytes of pickles of protocols 2 to 5, and of the archives that torch.save writes.
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def downloaded(client: "MlflowClient", version: "ModelVersion", folder: Path) -> Path:
    """The files that a server would load."""
    from mlflow.artifacts import download_artifacts

    # By address: a models:/ URI is resolved by the tracking server that this process last set.
    place = client.get_model_version_download_uri(version.name, str(version.version))
    return Path(download_artifacts(artifact_uri=place, dst_path=str(folder), tracking_uri=tracking_uri()))


def file_gates(
    files: Path, version: "ModelVersion", requests: Requests, clients: int = 0, seconds: float = SECONDS
) -> tuple[tuple[Gate, ...], Answered]:
    """The gates on harmless files, whole files and loading, and what the model answered.

    A model that fails one of the first two is not loaded, so a file that might execute code is never read.
    """
    harmless, whole = holds_no_pickle(files), is_whole(files, version.tags)
    tried = harmless.passed and whole.passed
    answered = answered_alone(files, requests, clients, seconds) if tried else not_tried()
    return (harmless, whole, loads(answered)), answered


def holds_no_pickle(model: Path) -> Gate:
    """Passes if the weights are safetensors and reading the files can execute nothing."""
    files = [file for file in sorted(model.rglob("*")) if file.is_file()]
    strange = [str(file.relative_to(model)) for file in files if not _is_harmless(file, model)]
    weights = [file for file in files if file.suffix == ".safetensors"]
    why = f"{', '.join(strange)} may run when it is read" if strange else "" if weights else "there are no safetensors"
    return Gate("safetensors only", not why, why or f"{len(files)} files", {"files": len(files), "refused": strange})


def is_whole(model: Path, tags: Mapping[str, str]) -> Gate:
    """Passes if all files are those that were packaged, and ranker and index are those that were registered."""
    known = parts(model)
    wrong = [f"{part}: {fault}" for part, place in known.items() for fault in _faults(place)]
    wrong += [
        f"{part}: it is not the one that was registered"
        for part, tag in {"ranker": Tag.MODEL, "index": Tag.INDEX}.items()
        if (digest_now(known[part]) if part in known else None) != tags.get(tag)
    ]
    if package_digest(model) != tags.get(Tag.PACKAGE):
        wrong.append("files are not those that were packaged")
    return Gate("whole", not wrong, "; ".join(wrong) or "it is what was registered", {"faults": wrong})


def is_small_enough(model: Path, budget: Promotion) -> Gate:
    """Passes if the files that a server must load are within the budget."""
    megabytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6
    why = f"{megabytes:.1f} MB, of {budget.megabytes} allowed"
    return Gate("size", megabytes <= budget.megabytes, why, {"megabytes": megabytes, "allowed": budget.megabytes})


def parts(model: Path) -> dict[str, Path]:
    """The directories of the ranker and, if there is one, of the index in a packaged model."""
    try:
        described: dict[str, Any] = YAML(typ="safe", pure=True).load(model / "MLmodel")
        artifacts = described["flavors"]["python_function"]["artifacts"]
        return {part: model / place["path"] for part, place in artifacts.items()}
    except (OSError, YAMLError, KeyError, TypeError, AttributeError):
        return {}  # these are not the files that were packaged


def _faults(part: Path) -> list[str]:
    return faults(part) if (part / MANIFEST).is_file() else ["it has no manifest"]


def _is_harmless(file: Path, model: Path) -> bool:
    place = file.relative_to(model)
    is_code = file.suffix == ".py" and (place.parts[0] == CODE or str(place) == SERVED_RANKER)
    if file.suffix == ".npy" and not _is_of_numbers(file):
        return False
    with file.open("rb") as content:
        known = is_code or file.suffix in HARMLESS or file.name in NAMED_BY_MLFLOW
        return known and not content.read(4).startswith(PICKLES)


def _is_of_numbers(array: Path) -> bool:
    """Whether an .npy file holds no Python objects, which would be pickled."""
    try:
        return not np.load(array, mmap_mode="r", allow_pickle=False).dtype.hasobject
    except ValueError:
        return False
