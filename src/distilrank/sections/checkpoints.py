"""The section on a ranker that was trained elsewhere."""

import re

from pydantic import Field, field_validator

from distilrank.sections.base import Section, Sha256
from distilrank.sections.data import GivenTokens

# What names a model of MLflow's registry.
REGISTERED = "models:/"
_VERSION = re.compile(rf"{REGISTERED}[^/@]+/\d+")


class GivenModel(Section):
    """A ranker that was trained elsewhere, by its checkpoint."""

    checkpoint: str = Field(min_length=1)
    """A folder, a Hugging Face id, `minilm`, or a registered model as `models:/NAME/VERSION`."""

    sha256: Sha256 | None = None
    """The digest of its `model.safetensors`. DVC notices changed weights by it. null: nothing is checked, and DVC
    does not notice.
    """

    tokens: GivenTokens = GivenTokens()
    """How much of texts it reads, if not as the checkpoint says."""

    @field_validator("checkpoint")
    @classmethod
    def names_one_version(cls, checkpoint: str) -> str:
        if checkpoint.startswith(REGISTERED) and not _VERSION.fullmatch(checkpoint):
            raise ValueError(
                f"a registered model must be models:/NAME/VERSION, not {checkpoint}: DVC does not see an alias move"
            )
        return checkpoint
