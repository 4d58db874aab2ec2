"""Searches by any system of the project in the working directory: a query in, hits out."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, read_json
from distilrank.artifacts.manifest import MANIFEST, read_manifest
from distilrank.data.collection import Collection
from distilrank.data.tokens import TokenStore
from distilrank.errors import InputError
from distilrank.retrieval.bm25 import BM25
from distilrank.retrieval.fusion import reciprocal_rank_fusion, weighted_sum
from distilrank.retrieval.updated import model_behind
from distilrank.searchers import Cascaded, Dense, Fused, Joined, Lexical, Reranking, Searcher
from distilrank.sections.data import BM25 as LEXICAL
from distilrank.sections.data import Candidates
from distilrank.sections.systems import Cascade, ReciprocalRanks, System, WeightedSum

# Read when it is first needed: BM25 answers before torch is imported and params.yaml is read.
if TYPE_CHECKING:
    from distilrank.config.params import Params
    from distilrank.sections.measuring import Evaluation

# Characters of a query. No ranker reads as many.
LONGEST_QUERY = 2_000


class Searchers:
    """All systems of the project that were built here. Each is loaded when it is first asked, and stays loaded until
    `release`.

    `read_params` is called when params are first needed, and `read_evaluation`, if it is given, when only that section
    is. `updated` are directories of updated indexes, which answer
    beside the systems, each by its path. Raises InputError and MissingInput for one that cannot be searched here.
    """

    def __init__(
        self,
        read_params: "Callable[[], Params]",
        updated: Sequence[Path] = (),
        read_evaluation: "Callable[[], Evaluation] | None" = None,
    ) -> None:
        self._read_params, self._read_evaluation = read_params, read_evaluation
        self._models = {str(place): model_behind(place) for place in updated}
        self._loaded: dict[str, Searcher] = {}
        self._loading = RLock()

    def names(self) -> list[str]:
        """BM25, then what is built: the models in the order of the report, then indexes, then systems, then updated
        indexes. Raises ParamsError."""
        built = [place.name for place in self._places() if (place / MANIFEST).is_file()]
        systems = self._params.systems if (layout.SYSTEMS / MANIFEST).is_file() else []
        return [LEXICAL, *built, *systems, *self._models]

    def usual(self) -> str:
        """The system to ask if none is named: the first student that is built to search, as taught by its first
        teacher, else BM25."""
        from distilrank.config.derived import taught_to_search

        return next(filter(_is_built_to_search, taught_to_search(self._params)), LEXICAL)

    def compared(self) -> list[str]:
        """The systems that people compare unless they name others, the first ones first: BM25, updated indexes, the
        usual system, and the first teacher."""
        teachers = [name for name in self.names() if name in self._params.teachers]
        return list(dict.fromkeys([LEXICAL, *self._models, self.usual(), *teachers[:1]]))

    def how(self, name: str) -> str:
        """How a system answers, in a few words."""
        if name == LEXICAL:
            return "finds by terms"
        if name in self._params.systems:
            return str(self._params.systems[name])
        if name in self._models:
            return "searches an updated index"
        if name in self._indexes():
            return "searches an index"
        if name in self._searching():
            return "searches all passages"
        return f"re-ranks {LEXICAL}'s best {self._params.evaluation.depth}"

    def lowest_relevant(self, splits: Sequence[str]) -> int:
        """The lowest grade that is relevant, as the params say of test sets. It is 1 in splits that they leave out."""
        minimum = self._evaluation.minimum_relevance
        every = [minimum] if isinstance(minimum, int) else [minimum.get(split, 1) for split in splits]
        return min(every, default=1)

    def updated(self, name: str) -> Path | None:
        """The directory of an updated index by its name; None for any other system."""
        return Path(name) if name in self._models else None

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded

    def load(self, name: str) -> Searcher:
        """The system by this name. Raises InputError for a name that no system here has, MissingInput."""
        if (loaded := self._loaded.get(name)) is not None:
            return loaded
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = self._made(name)
            return self._loaded[name]

    def release(self) -> None:
        """Forgets all systems but BM25, which others search first, and whose terms are counted at each load."""
        with self._loading:
            self._loaded = {name: one for name, one in self._loaded.items() if name == LEXICAL}

    @cached_property
    def _params(self) -> "Params":
        return self._read_params()

    @cached_property
    def _evaluation(self) -> "Evaluation":
        return self._read_evaluation() if self._read_evaluation else self._params.evaluation

    def _places(self) -> list[Path]:
        """The places of all models and indexes that the params ask for."""
        from distilrank.config.derived import built_indexes, measured_names

        models = [layout.MODELS / name for name in measured_names(self._params)]
        return models + [layout.INDEXES / one.name for one in built_indexes(self._params, only_searched=True)]

    def _searching(self) -> list[str]:
        """The models whose vectors of all passages are stored, and the indexes of these."""
        from distilrank.config.derived import encoded_models

        return [*encoded_models(self._params, only_searched=True), *self._indexes()]

    def _indexes(self) -> list[str]:
        from distilrank.config.derived import built_indexes

        return [one.name for one in built_indexes(self._params, only_searched=True)]

    def _made(self, name: str) -> Searcher:
        if name == LEXICAL:
            return _bm25()
        if name in self._models:
            return _updated(Path(name), self._models[name])
        if name in self._params.systems:
            return self._system(name, self._params.systems[name])
        if name not in (known := [*(place.name for place in self._places()), *self._params.systems, *self._models]):
            expected = f"one of {[LEXICAL, *known]}"
            raise InputError("search", got=f"system '{name}'", expected=expected, remedy="name one of these")
        return self._model(name)

    def _model(self, name: str) -> Searcher:
        """A model that searches all passages does so. Any other re-ranks BM25's best."""
        from distilrank.indexed import load_indexed

        if name in self._searching():
            return Dense(load_indexed(self._params, name))
        return self._reranking(name, self.load(LEXICAL), self._params.evaluation.depth)

    def _reranking(self, name: str, first: Searcher, depth: int) -> Reranking:
        """A model that re-ranks, by what is stored of passages if it is there."""
        from distilrank.config.derived import stored_vectors_of, tokens_of
        from distilrank.model import Model

        tokens = TokenStore.open(tokens_of(self._params, name))
        model = Model.load(layout.MODELS / name, stored_vectors_of(self._params, name))
        return Reranking(first, model, tokens, depth)

    def _system(self, name: str, system: System) -> Searcher:
        if isinstance(system, Cascade):
            ranker = self._reranking(system.rerank, self.load(system.first), system.depth)
            return Cascaded(ranker, system.depth)
        return Fused({member: self.load(member) for member in system.fuse}, _joined(name, system), system.depth)


def _is_built_to_search(model: str) -> bool:
    return all((folder / model / MANIFEST).is_file() for folder in (layout.MODELS, layout.VECTORS))


def _joined(name: str, system: System) -> Joined:
    """How a fusion joins runs. Raises MissingInput for a weighted sum without its weights."""
    if isinstance(system, WeightedSum):
        weights = read_json(built(layout.weights_of(name)))["weights"]
        return partial(weighted_sum, weights=weights, scale=system.scale)
    assert isinstance(system, ReciprocalRanks)
    return lambda runs: reciprocal_rank_fusion([*runs.values()], system.k)


def _updated(place: Path, model: Path) -> Dense:
    from distilrank.model import Model

    return Dense(Model.load(model, place))


def _bm25() -> Lexical:
    """BM25 with the params that found the candidates. Raises MissingInput."""
    used = read_manifest(layout.CANDIDATES).params
    params = Candidates.model_validate({key: used[key] for key in Candidates.model_fields})
    collection = Collection.read(layout.COLLECTION)
    return Lexical(BM25(collection.passage_ids(), collection.passage_texts(), params))


def refuse_query(query: str) -> None:
    """Raises InputError for a query without words, or one that is too long."""
    if not query.strip():
        raise InputError("search", got="an empty query", expected="words to look for", remedy="say what to look for")
    if len(query) > LONGEST_QUERY:
        raise InputError(
            "search",
            got=f"a query of {len(query):,} characters",
            expected=f"at most {LONGEST_QUERY:,}",
            remedy="shorten it",
        )
