"""The base of every section of params.yaml, and the kinds of values that several have."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def labelled_split(name: str) -> str:
    if name == "unlabelled":
        raise ValueError("choose another name: unlabelled queries have no qrels, and a key of their own")
    return name


def text_like(pattern: str, words: str) -> Any:
    """Text of a pattern, and what `distilrank params` calls it."""
    return Field(pattern=pattern, json_schema_extra={"words": words})


Share = Annotated[float, Field(gt=0, lt=1)]
ModelName = Annotated[str, text_like(r"^[A-Za-z][A-Za-z0-9_]*$", "name")]
# A model by its name in the results, such as dot-T1.
RankerName = Annotated[str, text_like(r"^[A-Za-z][\w~-]*$", "name in the results")]
Checksum = Annotated[str, text_like(r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$", "md5:... or sha256:...")]
Sha256 = Annotated[str, text_like(r"^[0-9a-f]{64}$", "64 hexadecimal digits")]
# Any other than train and dev is a test set: `test`, or several that are measured apart, such as dl19 and dl20.
SplitName = Annotated[str, text_like(r"^[a-z][a-z0-9-]*$", "split"), AfterValidator(labelled_split)]


class Section(BaseModel):
    """What stands under a key. The text below a field is its meaning, which `distilrank params` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def is_remote(location: str) -> bool:
    """Whether a location is a URL, not a path."""
    return "://" in location


class FileElsewhere(Section):
    """A file, by its path or URL."""

    location: str = Field(min_length=1)
    """A path, `https://` or `s3://`. Write `#` and a name behind it for a file in an archive."""

    mirrors: list[str] = Field(default=[])
    """Other locations of the same file, tried in turn."""

    checksum: Checksum | None
    """The digest of the file. DVC notices a changed file by it. null: nothing is checked, and DVC does not notice."""
