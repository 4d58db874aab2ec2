"""Where each stage's output stands, from the root of the project. dvc.yaml names the same places.

Each set of triples has a folder of its own below `TRIPLES`. Below `SCORES` and `LABELS` it has one with a folder per
teacher, and below `FOUND` one per source where it is mined.
"""

from pathlib import Path
from typing import NamedTuple

# What the collection that models learn from is called among all that they are measured on.
OWN = "collection"
COLLECTION = Path("data/collection")
TOKENS = Path("data/tokens")
# A folder per given model, which has a tokenizer of its own.
OWN_TOKENS = Path("data/own-tokens")
CANDIDATES = Path("data/candidates")
FOUND = Path("data/found")
# A folder per collection that models are measured on and do not learn from.
EVALUATIONS = Path("data/evaluations")
TRIPLES = Path("data/triples")
MODELS = Path("models")
SCORES = Path("scores")
# Of the members of ensembles whose weights are tuned.
DEV_SCORES = SCORES / "dev-candidates"
LABELS = Path("labels")
# The exact vectors of passages, and the approximate indexes that are built of them.
VECTORS = Path("vectors")
INDEXES = Path("indexes")
# A folder per test collection, in it one per ranker.
RUNS = Path("evaluation/runs")
# The same of systems, all of which one stage makes.
SYSTEMS = Path("evaluation/systems")
# Every ranker's figures, query by query: (ranker, task, query_id, measure, value).
MEASURES = Path("evaluation/measures/measures.parquet")
METRICS = Path("evaluation/metrics.json")
LABEL_QUALITY = Path("evaluation/labels.json")
LATENCY = Path("evaluation/latency.json")
AUDIT = Path("evaluation/audit.json")
REPORT = Path("report/report.html")
SUMMARY = Path("report/report.md")
FIGURES = Path("report/figures")
# What `dvc plots` draws.
PLOTS = Path("report/plots")


class Places(NamedTuple):
    """Where a collection stands that models are measured on, with the tokens and candidates of its texts."""

    collection: Path
    tokens: Path
    own_tokens: Path
    candidates: Path


def places_of(evaluation: str) -> Places:
    """Of an entry of `evaluations`, or of the collection that models learn from."""
    own = Places(COLLECTION, TOKENS, OWN_TOKENS, CANDIDATES)
    return own if evaluation == OWN else Places(*(EVALUATIONS / evaluation / place.name for place in own))


def runs_of(ranker: str, evaluation: str = OWN) -> Path:
    """What was measured of a ranker on a test collection: runs in TREC form, and measures query by query."""
    return RUNS / evaluation / ranker


def system_of(name: str, evaluation: str = OWN) -> Path:
    """The same of a system."""
    return SYSTEMS / evaluation / name


def weights_of(system: str) -> Path:
    """By member, and how they were tuned: of a system that is a weighted sum."""
    return SYSTEMS / f"{system}.json"


def run_of(ranker: str, kind: str, evaluation: str = OWN) -> Path:
    """A ranker's run in TREC form; `kind` is rerank or retrieve."""
    return runs_of(ranker, evaluation) / f"{kind}.trec"
