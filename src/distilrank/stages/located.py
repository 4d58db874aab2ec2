"""Where a given model's checkpoint is: a folder, Hugging Face's, or MLflow's registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from distilrank.artifacts.files import sha256_of
from distilrank.conversion.forms import transformer_folder
from distilrank.data.hub import folder_of
from distilrank.errors import CheckpointError
from distilrank.sections.checkpoints import REGISTERED, GivenModel

_DESCRIPTION = ["*.json", "*.txt", "*.model", "artifact.metadata"]
_WEIGHTS = "model.safetensors"


@contextmanager
def located(section: GivenModel) -> Iterator[Path]:
    """A folder with the checkpoint's files, as long as the block lasts; its weights are verified.

    Raises BackboneError, CheckpointError, and what the registry raises.
    """
    if not section.checkpoint.startswith(REGISTERED):
        files = [*_DESCRIPTION, _WEIGHTS, f"*/{_WEIGHTS}"]
        yield verified(folder_of(section.checkpoint, files, "checkpoint"), section)
        return
    # Heavy, and needed for these alone.
    from distilrank.registry.fetched import fetched

    with TemporaryDirectory() as folder:
        yield verified(fetched(section.checkpoint, Path(folder)), section)


def located_description(section: GivenModel) -> Path:
    """A folder with all but the weights, of a checkpoint that is not registered. Raises BackboneError."""
    return folder_of(section.checkpoint, _DESCRIPTION, "checkpoint")


def verified(folder: Path, section: GivenModel) -> Path:
    """The folder of a checkpoint. Raises CheckpointError if its weights are there and have another digest."""
    weights = transformer_folder(folder) / _WEIGHTS
    if section.sha256 and weights.is_file() and (digest := sha256_of(weights)) != section.sha256:
        raise CheckpointError(
            f"checkpoint {section.checkpoint}",
            got=f"sha256 {digest} of its {_WEIGHTS}",
            expected=section.sha256,
            remedy="fetch the file again, or correct sha256 in params.yaml",
        )
    return folder
