"""The table of sources. Another package adds a source as an entry point of the group `distilrank.sources`."""

from distilrank.data.sources.aws_api_docs import AwsApiDocs
from distilrank.data.sources.beir import Beir
from distilrank.data.sources.from_ir_datasets import IrDataset
from distilrank.data.sources.msmarco_passage import MsMarcoPassage
from distilrank.data.sources.parquet import ParquetTables
from distilrank.data.sources.passages import Passages
from distilrank.data.sources.section import IR_DATASETS, CollectionSection
from distilrank.data.sources.separated import SeparatedFiles
from distilrank.data.sources.trec import TrecFiles
from distilrank.sections.tables import Table

SOURCES: Table[type[CollectionSection]] = Table(
    "distilrank.sources",
    {
        "aws-api-docs": AwsApiDocs,
        "parquet": ParquetTables,
        "beir": Beir,
        "msmarco-passage": MsMarcoPassage,
        "tsv": SeparatedFiles,
        "trec": TrecFiles,
        "passages": Passages,
        IR_DATASETS: IrDataset,
    },
)


def table_name(source: str) -> str:
    """The source's name in the table: what precedes the id in params.yaml, if there is one."""
    kind, colon, _ = source.partition(":")
    return kind + colon
