"""The measures of this project, if they are of the models and texts that are here."""

from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import digest, read_manifest, unchanged
from distilrank.errors import MissingInput


def measures_here() -> pl.DataFrame:
    """Every ranker's measures, query by query. Raises MissingInput if they are missing or of other models or texts."""
    _refuse_others(unchanged(layout.MEASURES.parent))
    return pl.read_parquet(layout.MEASURES)


def _refuse_others(measures: Path) -> None:
    """Raises MissingInput unless the measured runs, and the models and texts behind them, are those that are here."""
    for place, then in read_manifest(measures).inputs.items():
        for source, digest_then in {place: then, **read_manifest(Path(place)).inputs}.items():
            if digest(Path(source)) != digest_then:
                raise MissingInput(
                    place,
                    got=f"the figures of another {source}",
                    expected="those of what is here",
                    remedy="measure it with `dvc repro`",
                )
