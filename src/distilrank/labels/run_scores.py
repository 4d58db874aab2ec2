"""A run of training queries as a teacher: triples drawn from it, with its scores."""

from collections import Counter
from collections.abc import Iterator

import polars as pl

from distilrank.data.collection import TRAIN, UNLABELLED, Collection
from distilrank.data.findings import DroppedIds
from distilrank.data.given_runs import read_given_run, tells_scores
from distilrank.data.runs import others, ranked
from distilrank.data.tokens import find
from distilrank.data.triples import sample_triples
from distilrank.errors import ScoreError
from distilrank.labels.labels import label, with_scores
from distilrank.sections.imports import ScoredRun
from distilrank.sections.labels import ScaleRule


class RunScores:
    """A run's `scores` (query_id, passage_id, score) of training queries and of passages in the collection.

    `counts` holds how many candidates were given and left out, by reason. Raises ScoreError for a run without scores
    unless the scale is its order, for a passage that the collection never had, and if nothing is left.
    """

    def __init__(
        self,
        name: str,
        run: ScoredRun,
        rule: ScaleRule,
        collection: Collection,
        dropped: DroppedIds,
        exclude_identical_ids: bool,
    ) -> None:
        self._name, self._run = name, run
        self._qrels = collection.qrels_of(TRAIN).filter(pl.col("relevance") > 0).drop("split")
        if rule != "rank" and not tells_scores(run):
            raise self._refused(f"an order without scores, and the scale {rule}", "the scale rank", "set scale to rank")
        given = read_given_run(run)
        split = given.join(collection.queries, on="query_id", how="left", maintain_order="left")["split"]
        self.counts = Counter(given=len(given), dropped=0)
        teaches = split.is_in([TRAIN, UNLABELLED] if run.positive_ranks else [TRAIN]).fill_null(False)
        for other, number in split.filter(~teaches).value_counts().sort("split").iter_rows():
            self.counts[f"of {other} queries" if other else "of other queries"] += number
        of_train = given.filter(teaches)
        unknown = find(of_train["passage_id"], collection.passage_ids())[1]
        if (strange := of_train.filter(unknown & ~of_train["passage_id"].is_in(dropped.passages.implode()))).height:
            passage = strange["passage_id"][0]
            raise self._refused(f"passage '{passage}'", "passages of the collection", "mend the run, or name another")
        self.counts["dropped"] = int(unknown.sum())
        known = of_train.filter(~unknown)
        self.scores = others(known) if exclude_identical_ids else known
        if self.scores.is_empty():
            got = f"{len(given):,} candidates, none of a training query of the collection"
            raise self._refused(got, "a run of training queries", "name the run that goes with the collection")

    def labels(self) -> Iterator[pl.DataFrame]:
        """All triples that were asked for, with the run's scores. Raises CollectionError if there are too few."""
        run, ranks = self._run, ranked(self.scores)
        relevant = self._qrels.join(self.scores, on=["query_id", "passage_id"], how="semi")
        others = ranks.join(relevant, on="query_id", how="anti")
        self.counts["queries without a relevant passage"] = others["query_id"].n_unique()
        best = others.filter(pl.col("rank") <= (run.positive_ranks or 0))
        positives = pl.concat([relevant, best.select("query_id", "passage_id", relevance=pl.lit(1, pl.Int64))])
        if positives.is_empty():
            remedy = "name a deeper run, or set positive_ranks: its best passages are then positives"
            raise self._refused("no relevant passage of any training query", "some", remedy)
        triples = sample_triples(positives, ranks, run, run.count, f"imports.{self._name}")
        yield with_scores(triples, label(triples, self.scores))

    def _refused(self, got: str, expected: str, remedy: str) -> ScoreError:
        return ScoreError(self._run.location, got=got, expected=expected, remedy=remedy)
