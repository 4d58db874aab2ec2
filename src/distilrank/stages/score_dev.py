"""score-dev: a member's scores of dev queries' candidates, which tune the weights of its ensembles."""

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import built
from distilrank.config.labelling import tuned_members
from distilrank.config.params import Params
from distilrank.data.collection import Collection
from distilrank.data.dev_sample import dev_sample
from distilrank.data.query_ranges import QueryRange
from distilrank.errors import ParamsError
from distilrank.retrieval.bm25 import BM25
from distilrank.scoring.scores import KEY, write_part
from distilrank.sections.data import BM25 as LEXICAL
from distilrank.stages.record import Track
from distilrank.stages.teacher_scores import workplace, write_teacher_scores

_READ = [layout.COLLECTION, layout.CANDIDATES]


def score_dev(params: Params, member: str, track: Track) -> None:
    """Writes scores/dev-candidates/<member>/: of the dev queries that validations ask, the candidates that tests
    re-rank. Raises ParamsError unless it is a member of an ensemble whose weights are tuned.
    """
    if member not in (members := tuned_members(params)):
        raise ParamsError(
            "score-dev",
            got=f"'{member}'",
            expected=f"a member of an ensemble whose weights are tuned, one of {members}",
            remedy="name one of these, or set weights: tuned",
        )
    place = workplace()
    collection, target = Collection.read(layout.COLLECTION), layout.DEV_SCORES / member
    pairs, made_by = _pairs(params, collection), f"distilrank score-dev {member}"
    if member == LEXICAL:
        used = params.candidates.model_dump(include={"k1", "b", "stemmer"})
        with whole_directory(target, made_by, used, _READ) as draft:
            bm25 = BM25(collection.passage_ids(), collection.passage_texts(), params.candidates)
            write_part(bm25.score(collection.queries, pairs), draft.path, 0)
            draft.counts["scores"] = len(pairs)
        return
    every = [QueryRange(pairs["query_id"][0], pairs["query_id"][-1])]
    write_teacher_scores(params, member, target, made_by, lambda _: pairs, every, _READ, track, place)


def _pairs(params: Params, collection: Collection) -> pl.DataFrame:
    """(query_id, passage_id), in the order of their ids."""
    sample = dev_sample(collection, params.validation.queries)
    candidates = pl.scan_parquet(built(layout.CANDIDATES / "candidates.parquet"))
    best = candidates.filter(pl.col("rank") <= params.evaluation.depth)
    return best.join(sample.lazy(), on="query_id", how="semi").select(KEY).sort(KEY).collect()
