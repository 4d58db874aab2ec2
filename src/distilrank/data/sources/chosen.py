"""The source that `collection.source` in params.yaml chooses."""

from collections.abc import Callable
from typing import Any

from distilrank.collection_sections import (
    AwsApiDocs,
    Beir,
    Collection,
    IrDataset,
    MsMarcoPassage,
    ParquetTables,
    SeparatedFiles,
    TrecFiles,
)
from distilrank.data.sources.aws_api_docs import AwsApiDocsSource
from distilrank.data.sources.beir import BeirSource
from distilrank.data.sources.from_ir_datasets import IrDatasetSource
from distilrank.data.sources.msmarco_passage import MsMarcoPassageSource
from distilrank.data.sources.parquet import ParquetSource
from distilrank.data.sources.separated import SeparatedSource
from distilrank.data.sources.source import Source
from distilrank.data.sources.trec import TrecSource

SOURCES: dict[type[Collection], Callable[[Any], Source]] = {
    AwsApiDocs: AwsApiDocsSource,
    ParquetTables: ParquetSource,
    Beir: BeirSource,
    MsMarcoPassage: MsMarcoPassageSource,
    SeparatedFiles: SeparatedSource,
    TrecFiles: TrecSource,
    IrDataset: IrDatasetSource,
}


def chosen_source(params: Collection) -> Source:
    return SOURCES[type(params)](params)
