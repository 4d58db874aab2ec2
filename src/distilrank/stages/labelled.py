"""What score, score-bm25 and ensemble share: they label triples with a teacher's scores, on the scale of labels."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built
from distilrank.config.params import Params
from distilrank.data.query_ranges import QueryRange, query_ranges
from distilrank.data.triples import CLICKS, TRIPLES, UNLABELLED
from distilrank.labels.labels import FILE, write_in_pieces, write_labels
from distilrank.labels.pseudo_labels import Thresholds, unlabelled_pieces
from distilrank.labels.quality import refuse_inverted
from distilrank.labels.scales import scale_of


def label_triples(
    params: Params,
    teacher: str,
    triples: str,
    scores_of_range: Callable[[QueryRange], pl.DataFrame],
    used: Mapping[str, Any],
    sources: Sequence[Path],
    most_negative_margins: float | None = None,
) -> None:
    """Writes labels/<triples>/<teacher>/ from scores (query_id, passage_id, score) that come from `sources`.

    Raises ScoreError for more negative margins than `most_negative_margins` allows, else than `labels` does.
    """
    directory = layout.TRIPLES / triples
    table = built(directory / TRIPLES)
    ranges = query_ranges(pl.scan_parquet(table), params.scoring.pairs_at_once)
    inputs = [directory, *sources]
    every = (scores_of_range(queries) for queries in scored_ranges(params, triples))
    scale = scale_of(teacher, params.labels.scale, every)

    def scaled(queries: QueryRange) -> pl.DataFrame:
        return scores_of_range(queries).with_columns(scale.cast(pl.Float32).alias("score"))

    limit = params.labels.most_negative_margins if most_negative_margins is None else most_negative_margins
    used = {"teacher": teacher, **used, "labels": params.labels.model_dump()}
    made_by = f"distilrank labels of {triples} by {teacher}"
    with whole_directory(layout.LABELS / triples / teacher, made_by, used, inputs) as draft:
        file = draft.path / FILE
        draft.counts["triples"] = write_labels(file, table, ranges, scaled)
        refuse_inverted(teacher, pl.scan_parquet(file), limit)
        if params.unlabelled:
            draft.counts |= _add_unlabelled(file, params, directory, scaled)


def scored_ranges(params: Params, triples: str) -> list[QueryRange]:
    """Ranges that cover all queries whose pairs teachers score for a set of triples. Raises MissingInput."""
    return query_ranges(pairs_to_score(layout.TRIPLES / triples), params.scoring.pairs_at_once)


def pairs_to_score(directory: Path) -> pl.LazyFrame:
    """A directory's triples, and the candidates of unlabelled queries in the form of triples: the best one, and the
    others. Raises MissingInput.
    """
    triples, unlabelled = built(directory / TRIPLES), directory / UNLABELLED
    return pl.scan_parquet([triples, *([unlabelled] if unlabelled.is_file() else [])])


def _add_unlabelled(
    file: Path, params: Params, directory: Path, scores_of_range: Callable[[QueryRange], pl.DataFrame]
) -> dict[str, int]:
    """Adds the triples of a directory's unlabelled queries to the labels in `file`. Returns how many there are, and how
    many clicks."""
    assert params.unlabelled
    clicks = pl.read_parquet(directory / CLICKS) if (directory / CLICKS).is_file() else None
    candidates = pl.scan_parquet(built(directory / UNLABELLED))
    labelled, added = file.with_suffix(".labelled"), file.with_suffix(".added")
    file.rename(labelled)
    labels = pl.scan_parquet(labelled)
    pieces = unlabelled_pieces(
        query_ranges(candidates, params.scoring.pairs_at_once),
        candidates,
        scores_of_range,
        Thresholds.of(labels, params.unlabelled),
        params.unlabelled,
        labels.select(pl.col("negative_ids").list.len()).head(1).collect().item(),
        clicks,
    )
    counts = {"triples of unlabelled queries": write_in_pieces(added, pieces)}
    if clicks is not None:
        pairs = pl.scan_parquet(added).select("query_id", passage_id="positive_id")
        of_clicks = pairs.join(clicks.lazy(), on=["query_id", "passage_id"], how="semi")
        counts["triples of clicks"] = of_clicks.select(pl.len()).collect().item()
    pl.scan_parquet([labelled, added]).sink_parquet(file)
    labelled.unlink()
    added.unlink()
    return counts
