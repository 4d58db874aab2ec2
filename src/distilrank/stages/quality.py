"""quality: of all labels, the share of each teacher's margins that are negative, and how far teachers agree."""

from itertools import combinations, product
from typing import Any

import polars as pl

from distilrank.artifacts import layout
from distilrank.artifacts.files import built, write_json
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.labelling import labelled_sets, labels
from distilrank.config.names import IMPORTED
from distilrank.config.params import Params
from distilrank.labels.labels import FILE
from distilrank.labels.quality import quality as figures_of


def quality(params: Params) -> None:
    """Writes the figures of each teacher's labels of each set of triples, by `<triples>/<teacher>`."""
    tables = {
        f"{triples}/{teacher}": pl.scan_parquet(built(layout.LABELS / triples / teacher / FILE))
        for triples, teacher in labels(params)
    }
    # Of one set of triples; imports, which bring sets of their own, with all.
    compared = [
        ("/".join(one), "/".join(other))
        for one, other in combinations(labels(params), 2)
        if one[0] == other[0] or IMPORTED in (one[0], other[0])
    ]
    write_json(layout.LABEL_QUALITY, figures_of(tables, compared) | {"weights": _weights(params)})


def _weights(params: Params) -> dict[str, dict[str, Any]]:
    """The weights of ensembles whose members do not count alike, by `<triples>/<ensemble>`, and what tuned ones
    reach."""
    weighted = [name for name, one in params.ensembles.items() if one.weights]
    pairs = product(labelled_sets(params), weighted)
    used = {f"{triples}/{name}": read_manifest(layout.LABELS / triples / name).params for triples, name in pairs}
    return {name: {key: one[key] for key in ("weights", "tuned")} for name, one in used.items()}
