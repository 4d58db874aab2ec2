"""The base of every section of params.yaml, and the kinds of values that several have."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def labelled_split(name: str) -> str:
    if name == "unlabelled":
        raise ValueError("another name: unlabelled queries have no qrels, and a key of their own")
    return name


Share = Annotated[float, Field(gt=0, lt=1)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
# Any other than train and dev is a test set: `test`, or several that are measured apart, such as dl19 and dl20.
SplitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$"), AfterValidator(labelled_split)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileElsewhere(Section):
    """A file by its path or URL, and others that have the same file. By its `checksum` DVC sees that it changed."""

    location: str = Field(min_length=1)
    mirrors: list[str] = Field(default=[])
    checksum: Checksum | None
