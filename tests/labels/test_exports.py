"""Labels in the form of each library: what is written comes back, and the libraries load it."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import sha256_of
from distilrank.config.params import Params
from distilrank.errors import InputError
from distilrank.labels.labels import FILE, read_labels, scored_pairs
from distilrank.labels.package import export_scores
from distilrank.stages.import_scores import import_scores

LARGEST = 3.4028234663852886e38  # of float32
T1 = layout.LABELS / "bm25" / "T1"
SCHEMA = {
    "query_id": pl.String, "positive_id": pl.String, "negative_ids": pl.List(pl.String), "positive_score": pl.Float32,
    "negative_scores": pl.List(pl.Float32),
}  # fmt: skip


def write_labels(scores: list[float], negatives: int, params: Params) -> pl.DataFrame:
    """Labels of T1: a triple a query, of the project's positives and of negatives that stand beside one another."""
    triples = pl.read_parquet(layout.TRIPLES / "bm25" / "triples.parquet")
    others = triples.explode("negative_ids")["negative_ids"].unique(maintain_order=True).to_list()
    rows = []
    for number, (query, positive, _) in enumerate(triples.unique("query_id", maintain_order=True).rows()[:12]):
        own = [other for other in others[number : number + negatives + 1] if other != positive][:negatives]
        values = [scores[(number + place) % len(scores)] for place in range(negatives + 1)]
        rows.append((query, positive, own, values[0], values[1:]))
    labels = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    with whole_directory(T1, "distilrank labels of T1", {"labels": {"scale": "none"}}, []) as draft:
        labels.write_parquet(draft.path / FILE)
    used = params.teachers["T1"].model_dump() | params.model_dump(include={"backbone", "tokens"})
    with whole_directory(layout.MODELS / "T1", "distilrank train T1", used, []):
        pass
    return labels


def back(params: Params, package: Path, name: str) -> pl.DataFrame:
    """What an import makes of a package, by the lines of params.yaml that its card gives."""
    card = (package / "README.md").read_text()
    values = YAML(typ="safe", pure=True).load(card.partition("```yaml\n")[2].partition("```")[0])
    (imported,) = values["imports"].values()
    assert imported["checksum"] == f"sha256:{sha256_of(package / imported['location'])}"
    values["imports"] = {"T9": imported | {"location": str(package / name), "checksum": None}}
    import_scores(Params.model_validate(params.model_dump() | values), "T9")
    return read_labels(layout.LABELS / "imported" / "T9")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("scores", "scores.tsv"),
        ("flagembedding", "scores.jsonl"),
        ("sentence-transformers", "scores.jsonl"),
        ("sentence-transformers", "scores.parquet"),
        ("run", "scores.trec"),
    ],
)
@given(
    scores=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=9),
    negatives=st.integers(1, 3),
    gzipped=st.booleans(),
)
@example([LARGEST, 0.0, -LARGEST], 2, False)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_comes_back(
    project: Path,
    tiny_params: Params,
    form: str,
    name: str,
    scores: list[float],
    negatives: int,
    gzipped: bool,
) -> None:
    labels, target = write_labels(scores, negatives, tiny_params), Path(tempfile.mkdtemp(dir=project)) / "package"
    export_scores(T1, target, "cc-by-4.0", gzipped, form)
    found = back(tiny_params, target, f"{name}.gz" if gzipped and "parquet" not in name else name)
    if form == "run":
        # Triples are drawn anew; here each query has negatives for one.
        found, labels = (by_pair(one) for one in (found, labels))
    elif form == "scores":
        flat = labels.explode("negative_ids", "negative_scores")
        labels = flat.with_columns(pl.concat_list("negative_ids"), pl.concat_list("negative_scores"))
    assert found.equals(labels)


def by_pair(labels: pl.DataFrame) -> pl.DataFrame:
    return scored_pairs(labels.lazy()).sort("query_id", "passage_id").collect()


def test_an_unknown_form_is_refused(project: Path, tiny_params: Params, tmp_path: Path) -> None:
    write_labels([1.0, 2.0], 1, tiny_params)
    with pytest.raises(InputError, match="--form: got 'csv', expected one of scores, flagembedding"):
        export_scores(T1, tmp_path / "package", "unknown", False, "csv")
    assert not (tmp_path / "package").exists()
