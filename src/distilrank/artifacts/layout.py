"""The place of each stage's output, relative to the root of the project. dvc.yaml names the same places.

Each set of triples has its own folder below `TRIPLES`. `SCORES` and `LABELS` have a folder per set of triples, with a
folder per teacher. `FOUND` has a folder per mined set, with a folder per source of its negatives.
"""

from pathlib import Path
from typing import NamedTuple

# The name of the collection that models learn from, among all on which they are measured.
OWN = "collection"
COLLECTION = Path("data/collection")
TOKENS = Path("data/tokens")
# A folder per given model that has a tokenizer of its own.
OWN_TOKENS = Path("data/own-tokens")
CANDIDATES = Path("data/candidates")
FOUND = Path("data/found")
# A folder per collection on which models are measured without learning from it.
EVALUATIONS = Path("data/evaluations")
TRIPLES = Path("data/triples")
MODELS = Path("models")
SCORES = Path("scores")
# Scores by the members of ensembles whose weights are tuned.
DEV_SCORES = SCORES / "dev-candidates"
LABELS = Path("labels")
# The exact vectors of passages, and the approximate indexes that are built from them.
VECTORS = Path("vectors")
INDEXES = Path("indexes")
# A folder per test collection, with a folder per ranker.
RUNS = Path("evaluation/runs")
# The same for systems. One stage makes them all.
SYSTEMS = Path("evaluation/systems")
# All rankers' figures, query by query: (ranker, task, query_id, measure, value).
MEASURES = Path("evaluation/measures/measures.parquet")
METRICS = Path("evaluation/metrics.json")
LABEL_QUALITY = Path("evaluation/labels.json")
LATENCY = Path("evaluation/latency.json")
AUDIT = Path("evaluation/audit.json")
REPORT = Path("report/report.html")
SUMMARY = Path("report/report.md")
FIGURES = Path("report/figures")
# The files that `dvc plots` draws.
PLOTS = Path("report/plots")
# The folder `rankers` has the files that `dvc metrics` shows.
SHOWN_METRICS = Path("report/metrics")


class Places(NamedTuple):
    """The places of a collection on which models are measured, with its tokens and candidates."""

    collection: Path
    tokens: Path
    own_tokens: Path
    candidates: Path


def places_of(evaluation: str) -> Places:
    """The places of an entry of `evaluations`, or of the collection that models learn from."""
    own = Places(COLLECTION, TOKENS, OWN_TOKENS, CANDIDATES)
    return own if evaluation == OWN else Places(*(EVALUATIONS / evaluation / place.name for place in own))


def runs_of(ranker: str, evaluation: str = OWN) -> Path:
    """The folder of a ranker's runs on a test collection, in TREC form, and its measures query by query."""
    return RUNS / evaluation / ranker


def system_of(name: str, evaluation: str = OWN) -> Path:
    """The same for a system."""
    return SYSTEMS / evaluation / name


def weights_of(system: str) -> Path:
    """The file with the weights of a weighted sum by member, and how they were tuned."""
    return SYSTEMS / f"{system}.weights.json"


def run_of(ranker: str, kind: str, evaluation: str = OWN) -> Path:
    """A ranker's run in TREC form. `kind` is rerank or retrieve."""
    return runs_of(ranker, evaluation) / f"{kind}.trec"
