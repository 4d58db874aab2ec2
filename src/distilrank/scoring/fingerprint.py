"""Which scorer a score is of: two with one fingerprint score alike."""

import hashlib
import json
from pathlib import Path

from distilrank.artifacts import built, sha256_of


def scorer_of(model: Path, precision: str) -> dict[str, str]:
    """Digests of the weights, of config.json, which holds the lengths in tokens, and of the tokenizer; the precision.

    Raises MissingInput.
    """
    files = ("model.safetensors", "config.json", "tokenizer.json")
    return {name: sha256_of(built(model / name)) for name in files} | {"precision": precision}


def fingerprint_of(scorer: dict[str, str]) -> str:
    """64 bits in hexadecimal."""
    return hashlib.sha256(json.dumps(scorer, sort_keys=True).encode()).hexdigest()[:16]
