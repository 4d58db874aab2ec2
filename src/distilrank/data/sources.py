"""Where a collection comes from: `collection.source` in params.yaml chooses."""

from pathlib import Path

from distilrank.data.aws_api_docs import read_aws_api_docs
from distilrank.data.collection import Collection
from distilrank.sections import AwsApiDocs, ParquetTables


def read_source(params: AwsApiDocs | ParquetTables) -> Collection:
    """Raises CollectionError and MissingInput."""
    match params:
        case AwsApiDocs():
            return read_aws_api_docs(params)
        case ParquetTables():
            return Collection.read_own(Path(params.path))
