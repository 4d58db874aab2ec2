"""Where each stage's output stands, from the root of the project. dvc.yaml names the same places.

Each set of triples has a folder of its own below `TRIPLES`. Below `SCORES` and `LABELS` it has one with a folder per
teacher, and below `FOUND` one per source where it is mined.
"""

from pathlib import Path
from typing import NamedTuple

COLLECTION = Path("data/collection")
TOKENS = Path("data/tokens")
# A folder per given model, which has a tokenizer of its own.
OWN_TOKENS = Path("data/own-tokens")
CANDIDATES = Path("data/candidates")
FOUND = Path("data/found")
TRIPLES = Path("data/triples")
MODELS = Path("models")
SCORES = Path("scores")
LABELS = Path("labels")
INDEXES = Path("indexes")
RUNS = Path("evaluation/runs")
# Every ranker's figures, query by query.
MEASURES = RUNS / "measures.parquet"
METRICS = Path("evaluation/metrics.json")
LABEL_QUALITY = Path("evaluation/labels.json")
LATENCY = Path("evaluation/latency.json")
REPORT = Path("report/report.html")
# A folder per collection that models are measured on and do not learn from.
EVALUATIONS = Path("data/evaluations")
# What the collection that they learn from is called among all that they are measured on.
TRAINED_ON = COLLECTION.name


class Places(NamedTuple):
    """Where a collection stands that models are measured on, with the tokens and candidates of its texts."""

    collection: Path
    tokens: Path
    own_tokens: Path
    candidates: Path


def places_of(evaluation: str) -> Places:
    """Of an entry of `evaluations`, or of the collection that models learn from."""
    own = Places(COLLECTION, TOKENS, OWN_TOKENS, CANDIDATES)
    return own if evaluation == TRAINED_ON else Places(*(EVALUATIONS / evaluation / place.name for place in own))


def run_of(ranker: str, kind: str) -> Path:
    """A ranker's run in TREC form; `kind` is rerank or retrieve."""
    return RUNS / f"{ranker}.{kind}.trec"
