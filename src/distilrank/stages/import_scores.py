"""import-scores: labels from the scores of others, so that students learn without a teacher at hand."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import sha256_of
from distilrank.config.labelling import scale_of_labels
from distilrank.config.names import IMPORTED
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.files import text_of
from distilrank.data.findings import DroppedIds
from distilrank.data.sources.section import IR_DATASETS
from distilrank.labels.imported import write_imported
from distilrank.labels.labels import FILE
from distilrank.labels.quality import refuse_inverted
from distilrank.sections.imports import Import


def import_scores(params: Params, name: str) -> dict[str, int]:
    """Writes labels/imported/<name>/ and returns how much was given, what was left out and why, and how many triples
    there are."""
    section, rule = params.imported(name), scale_of_labels(params, name)
    collection, dropped = Collection.read(layout.COLLECTION), DroppedIds.read(layout.COLLECTION)
    made_by = f"distilrank import-scores {name}"
    used = section.model_dump() | {"labels": params.labels.model_dump() | {"scale": rule}, **_digest(section)}
    with whole_directory(layout.LABELS / IMPORTED / name, made_by, used, [layout.COLLECTION]) as draft:
        target, at_once = draft.path / FILE, params.scoring.pairs_at_once
        apart = params.collection.exclude_identical_ids
        draft.counts |= write_imported(target, name, section, rule, collection, dropped, apart, at_once)
        refuse_inverted(name, pl.scan_parquet(target), params.labels.most_negative_margins)
    return draft.counts


def _digest(section: Import) -> dict[str, str]:
    """Of the file, where it is one."""
    if section.location.startswith(IR_DATASETS):
        return {}
    return {"sha256": sha256_of(text_of(section.location, section.checksum, section.mirrors).path)}
