"""One model measured on one collection, outside of the pipeline: a ranker of ours, or a checkpoint from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from pydantic import ValidationError

from distilrank.artifacts.directories import Draft, new_directory
from distilrank.artifacts.files import built, write_json
from distilrank.artifacts.layout import MEASURES, METRICS, OWN, places_of
from distilrank.config.derived import MeasuredOn, measured_on, measures_of
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.params_file import read_params
from distilrank.conversion.forms import WEIGHTS, transformer_folder
from distilrank.conversion.given import save_given
from distilrank.data.collection import Collection
from distilrank.data.intake import take_in
from distilrank.data.qrels import write_qrels
from distilrank.data.runs import RUN_SCHEMA, top, write_trec
from distilrank.data.sources.beir import Beir
from distilrank.data.sources.only_tests import OnlyTestQueries
from distilrank.data.tokenizer import copy_tokenizer
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.evaluation.measures import Means, means_by_task, measure
from distilrank.evaluation.tasks import RERANK, RETRIEVE, task_of
from distilrank.model import Model
from distilrank.progress import progress
from distilrank.retrieval.dense import DenseIndex
from distilrank.retrieval.encoding import encoded_passages
from distilrank.sections.checkpoints import GivenModel
from distilrank.sections.data import Candidates, GivenTokens, Tokens
from distilrank.sections.measures import DEFAULT_MEASURES, tells_apart
from distilrank.sections.precision import Precision
from distilrank.sections.searching import Encoding
from distilrank.stages.candidates import ranked_candidates
from distilrank.stages.located import located
from distilrank.stages.tokenized import write_token_store

Runs = dict[tuple[str, str], pl.DataFrame]
# Of a checkpoint that tells no lengths, where no params do: as the authors of Margin-MSE read MS MARCO.
_USUAL = Tokens(query_length=28, passage_length=198)
_FOLDERS_CANDIDATES = Candidates(depth=1000)
_FOLDERS_DEPTH = 100


def measure_model(model: str, collection: str, target: Path | None = None) -> Means:
    """Means by task, ranker and measure of what finds the candidates and of the model, which goes by the last part of
    its name. Those of a checkpoint that makes one vector per text search all passages as well.

    `model` is what `checkpoint` of a baseline takes. `collection` is an entry of `evaluations` or `collection`, as it
    was built, or a folder in BEIR's layout, which needs no project. `target` gets runs and qrels as TREC files, and
    what `compare` reads. Raises InputError.
    """
    section = _given(model)
    if target and target.exists():
        raise InputError(target, got="an existing path", expected="a new directory", remedy="name another target")
    with TemporaryDirectory() as folder, located(section) as checkpoint:
        test = _test_of(collection, Path(folder))
        runs = _runs(model, checkpoint, test, Path(folder))
        measures = _measures(runs, test)
        figures = means_by_task(measures)
        if target:
            used = {"model": model, "collection": collection}
            weights = transformer_folder(checkpoint) / WEIGHTS
            with new_directory(target, "distilrank evaluate", used, weights) as draft:
                for (ranker, kind), run in runs.items():
                    write_trec(run, draft / f"{ranker}.{kind}.trec", ranker)
                write_qrels(test.collection, draft)
                measures.write_parquet(draft / MEASURES.name)
                write_json(draft / METRICS.name, figures)
    return figures


def _given(model: str) -> GivenModel:
    try:
        return GivenModel(checkpoint=model)
    except ValidationError as error:
        told = "; ".join(str(one["msg"]) for one in error.errors())
        raise InputError(
            "evaluate", got=f"--model {model} ({told})", expected="a model", remedy="name a directory or a checkpoint"
        ) from error


@dataclass(frozen=True)
class _Test:
    """What is measured on: a collection with candidates of its test queries, from which grade on a passage of each test
    set is relevant, the measures of each kind of task, the lengths of texts where a checkpoint tells none, the
    precision of matrix products, and how passages are encoded."""

    on: MeasuredOn
    collection: Collection
    candidates: pl.DataFrame
    relevance: dict[str, int]
    measures: dict[str, list[str]]
    usual: Tokens
    precision: Precision
    encoding: Encoding


def _test_of(collection: str, folder: Path) -> _Test:
    """Tables of a collection that is not built are written to `folder`."""
    params = read_params() if PARAMS_FILE.is_file() else None
    if params and collection in (OWN, *params.evaluations):
        places = places_of(collection)
        tables = Collection.read(places.collection)
        found = pl.scan_parquet(built(places.candidates / "candidates.parquet"))
        relevance = {name: params.minimum_relevance(name, collection) for name in tables.test_sets()}
        candidates = found.join(tables.test_qrels().lazy(), on="query_id", how="semi").collect()
        measures = {kind: measures_of(params, kind, collection) for kind in (RERANK, RETRIEVE)}
        on, precision = measured_on(params, collection), params.evaluation.precision
        return _Test(on, tables, candidates, relevance, measures, params.tokens, precision, params.encoding)
    if not Path(collection).is_dir():
        known = [OWN, *params.evaluations] if params else []
        raise InputError(
            "evaluate",
            got=f"collection '{collection}'",
            expected=f"one of {known} of {PARAMS_FILE}, or a folder in BEIR's layout" if known else "a folder",
            remedy="name such a collection by --collection",
        )
    section = Beir(source="beir", location=collection)
    on = MeasuredOn(section, _FOLDERS_CANDIDATES, _FOLDERS_DEPTH, count_absent=True)
    findings = take_in(
        OnlyTestQueries(section.opened()), folder, None, None, section.exclude_identical_ids, on.count_absent
    )
    findings.refuse_errors()
    tables = Collection.read(folder)
    queries = tables.queries.with_columns(depth=pl.lit(on.candidates.depth, pl.Int64))
    candidates = pl.concat(ranked_candidates(on, tables, queries, pl.DataFrame(schema=RUN_SCHEMA)))
    measures = {
        RERANK: [name for name in DEFAULT_MEASURES if tells_apart(name, on.depth)],
        RETRIEVE: list(DEFAULT_MEASURES),
    }
    relevance = dict.fromkeys(tables.test_sets(), 1)
    return _Test(on, tables, candidates, relevance, measures, _USUAL, "float32", Encoding())


def _runs(model: str, checkpoint: Path, test: _Test, folder: Path) -> Runs:
    """The runs by ranker and task."""
    first, name = test.on.candidates.first_stage(), Path(model).name
    best = top(test.candidates, test.on.depth)
    runs = {(first, RERANK): best, (first, RETRIEVE): test.candidates}
    loaded, tokens = _loaded(name, checkpoint, test, folder)
    with progress(f"test pairs re-ranked by {name}", len(best)) as advance:
        runs[name, RERANK] = loaded.rerank(tokens, best, advance, test.precision)
    if loaded.index:
        query_ids, on = test.collection.test_qrels()["query_id"].unique().sort(), test.on
        apart = on.collection.exclude_identical_ids
        runs[name, RETRIEVE] = loaded.retrieve(tokens, query_ids, on.candidates.depth, apart)
    return runs


def _loaded(name: str, checkpoint: Path, test: _Test, folder: Path) -> tuple[Model, TokenStore]:
    """The checkpoint as a model, with exact vectors where it makes one per text, and its tokens of the collection."""
    saved, draft = folder / "model", Draft(folder / "tokens")
    for directory in (saved, draft.path):
        directory.mkdir()
    save_given(checkpoint, saved, GivenTokens(), test.usual)
    model = Model.load(saved)
    config = model.ranker.config
    copy_tokenizer(saved, draft.path)
    lengths = Tokens(**{key: getattr(config, key) for key in Tokens.model_fields})
    write_token_store(draft, test.collection, model.tokenizer, lengths)
    tokens = TokenStore.open(draft.path)
    if model.ranker.params.one_vector:
        place = folder / "vectors"
        model.index = DenseIndex(encoded_passages(saved, tokens, tokens.passage_ids, place, test.encoding, name))
    return model, tokens


def _measures(runs: Runs, test: _Test) -> pl.DataFrame:
    """(ranker, task, query_id, measure, value)."""
    sets = test.collection.test_sets()
    tables = []
    for (ranker, kind), run in runs.items():
        for name in sets:
            judged = test.collection.qrels_of(name)
            own = run.join(judged, on="query_id", how="semi")
            values = measure(own, judged, test.relevance[name], test.measures[kind])
            task = task_of(name, kind, sets)
            tables.append(values.select(pl.lit(ranker).alias("ranker"), pl.lit(task).alias("task"), pl.all()))
    return pl.concat(tables)
