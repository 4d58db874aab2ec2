"""Labels from scores that somebody else computed, in any of the known forms."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from distilrank.data.collection import Collection
from distilrank.data.findings import DroppedIds
from distilrank.data.given_lists import KnownLists
from distilrank.data.query_ranges import QueryRange, query_ranges
from distilrank.errors import ScoreError
from distilrank.labels.labels import MARGINS_ALONE, refuse_conflicts, scored_pairs, write_in_pieces, write_labels
from distilrank.labels.run_scores import RunScores
from distilrank.labels.scales import scale_of
from distilrank.labels.score_lines import PublishedScores, whole_file
from distilrank.scoring.scores import KEY
from distilrank.sections.imports import FlagEmbeddingLists, Import, ScoredRun, SentenceTransformersLists
from distilrank.sections.labels import ScaleRule

PairsOf = Callable[[QueryRange], pl.DataFrame]


def write_imported(
    file: Path,
    name: str,
    section: Import,
    rule: ScaleRule,
    collection: Collection,
    dropped: DroppedIds,
    exclude_identical_ids: bool,
    pairs_at_once: int,
) -> dict[str, int]:
    """Writes labels from an import's scores of training queries, brought to a scale.

    Returns how many rows were given and left out, by reason, and how many triples came of them. Raises ScoreError,
    CollectionError, DownloadError.
    """
    source = _opened(name, section, rule, collection, dropped, exclude_identical_ids)
    pieces = source.triples(scored=True) if isinstance(source, KnownLists) else source.labels()
    triples = write_in_pieces(file, pieces)
    labels = pl.scan_parquet(file)
    ranges = query_ranges(labels, pairs_at_once)
    if isinstance(source, KnownLists) and source.margins:
        _refuse_scaled_margins(section, rule)
        source.counts[MARGINS_ALONE] = triples
    else:
        refuse_conflicts(section.location, labels, ranges)
        if rule != "none":
            _rescale(file, name, rule, ranges, _all_scores(source, file))
    return {**source.counts, "triples": triples}


def _opened(
    name: str,
    section: Import,
    rule: ScaleRule,
    collection: Collection,
    dropped: DroppedIds,
    exclude_identical_ids: bool,
) -> PublishedScores | RunScores | KnownLists:
    match section:
        case ScoredRun():
            return RunScores(name, section, rule, collection, dropped, exclude_identical_ids)
        case FlagEmbeddingLists() | SentenceTransformersLists():
            return KnownLists(section, section.form, collection)
        case _:
            return PublishedScores(whole_file(section), collection, dropped)


def _all_scores(source: PublishedScores | RunScores | KnownLists, labels: Path) -> PairsOf:
    """The scores, each pair once. A run gives all candidates; other imports give the pairs of their triples. If a pair
    has two scores, the lower one is taken."""
    given = source.scores.lazy() if isinstance(source, RunScores) else scored_pairs(pl.scan_parquet(labels))

    def of(queries: QueryRange) -> pl.DataFrame:
        lowest = queries.of(given).group_by(KEY).agg(pl.col("score").min())
        return lowest.sort(KEY).collect(engine="streaming")

    return of


def _rescale(file: Path, name: str, rule: ScaleRule, ranges: list[QueryRange], pairs_of: PairsOf) -> None:
    """Writes the labels in `file` anew, on the scale of all scores."""
    scale = scale_of(name, rule, map(pairs_of, ranges))
    scaled = file.with_suffix(".scaled")
    write_labels(scaled, file, ranges, lambda queries: pairs_of(queries).with_columns(score=scale))
    scaled.rename(file)


def _refuse_scaled_margins(section: Import, rule: ScaleRule) -> None:
    if rule != "none":
        raise ScoreError(
            section.location,
            got=f"margins without scores, and the scale {rule}",
            expected="scores, which alone can be scaled",
            remedy="set its scale to none",
        )
