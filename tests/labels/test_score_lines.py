"""The published form of teacher scores: out and in again, and what is refused at the door."""

import gzip
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.manifest import read_manifest
from distilrank.config.params import Params
from distilrank.data.findings import ROWS
from distilrank.errors import DownloadError, InputError, MissingInput, ScoreError
from distilrank.labels.labels import FILE, read_labels
from distilrank.labels.package import export_scores
from distilrank.sections.imports import ScoreLines
from distilrank.stages.import_scores import import_scores

Stage = Callable[..., pl.DataFrame]


@pytest.fixture
def triples(project: Path) -> pl.DataFrame:
    return pl.read_parquet(layout.TRIPLES / "bm25" / "triples.parquet")


@pytest.fixture
def lines(triples: pl.DataFrame) -> list[str]:
    """A line a triple, with a score a pair."""
    rows = enumerate(triples.iter_rows())
    scored = {passage: 0.1 * number for number, (_, positive, (negative,)) in rows for passage in (positive, negative)}
    return [
        f"{scored[positive]}\t{scored[negative]}\t{query}\t{positive}\t{negative}"
        for query, positive, (negative,) in triples.iter_rows()
    ]


@pytest.fixture
def take_in(project: Path, tiny_params: Params) -> Stage:
    """Imports bytes as labels/imported/T9."""

    def run(content: bytes, name: str = "scores.tsv", checksum: str | None = None) -> pl.DataFrame:
        Path(name).write_bytes(content)
        imports = {"T9": ScoreLines(location=name, checksum=checksum)}
        import_scores(tiny_params.model_copy(update={"imports": imports}), "T9")
        return read_labels(layout.LABELS / "imported" / "T9")

    return run


def joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize("gzipped", [False, True])
def test_lines_become_labels_in_their_order(
    take_in: Stage, lines: list[str], triples: pl.DataFrame, gzipped: bool
) -> None:
    content = joined(lines)
    labels = take_in(gzip.compress(content), "scores.tsv.gz") if gzipped else take_in(content)
    assert labels.select(triples.columns).equals(triples)
    assert labels["positive_score"].to_list() == pytest.approx([float(line.split("\t")[0]) for line in lines])
    assert labels["negative_scores"].to_list() == [pytest.approx([float(line.split("\t")[1])]) for line in lines]
    assert labels.schema["positive_score"] == pl.Float32


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_the_checksum_is_that_of_the_file(take_in: Stage, lines: list[str], kind: str) -> None:
    content = joined(lines)
    digest = hashlib.new(kind, content).hexdigest()
    assert len(take_in(content, checksum=f"{kind}:{digest}")) == len(lines)
    with pytest.raises(DownloadError, match=rf"scores.tsv: got {kind} .*, expected {digest}"):
        take_in(content[:-1] + b" \n", checksum=f"{kind}:{digest}")


def test_a_pair_may_recur_with_scores_that_half_precision_sets_apart(take_in: Stage, lines: list[str]) -> None:
    score, rest = lines[5].split("\t", 1)
    assert len(take_in(joined([*lines, f"{float(score) + 0.004}\t{rest}"]))) == len(lines) + 1


def changed(line: str, column: int, to: str) -> str:
    words = line.split("\t")
    words[column] = to
    return "\t".join(words)


@pytest.mark.parametrize(
    ("column", "to", "message"),
    [
        (0, "nan", r"scores.tsv:4: got pos_score 'nan', expected a finite number"),
        (1, "inf", r"scores.tsv:4: got neg_score 'inf', expected a finite number"),
        (1, "1e39", r"scores.tsv:4: got neg_score '1e39', expected a finite number"),
        (0, "", r"scores.tsv:4: got pos_score '', expected a finite number"),
        (0, "one", r"scores.tsv:4: got pos_score 'one', expected a finite number"),
        (2, "nobody", r"scores.tsv:4: got query_id 'nobody', expected a query of the collection"),
        (3, "~", r"scores.tsv:4: got pos_passage_id '~', expected a passage of the collection"),
        (4, "none", r"scores.tsv:4: got neg_passage_id 'none', expected a passage of the collection"),
        (4, "a\tb", r"scores.tsv: got CSV parse error: Row #4: Expected 5 columns, got 6"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(
    take_in: Stage, lines: list[str], column: int, to: str, message: str
) -> None:
    lines[3] = changed(lines[3], column, to)
    with pytest.raises(ScoreError, match=message):
        take_in(joined(lines))
    nothing_is_left()


def query_of(split: str) -> str:
    queries = pl.read_parquet(layout.COLLECTION / "queries.parquet")
    return str(queries.filter(pl.col("split") == split)["query_id"][0])


def test_lines_of_dev_and_test_queries_are_left_out_and_counted(
    take_in: Stage, lines: list[str], triples: pl.DataFrame
) -> None:
    others = [changed(line, 2, query_of(split)) for line, split in zip(lines, ["dev", "dev", "test"], strict=False)]
    labels = take_in(joined([others[0], *lines, *others[1:]]))
    assert labels.select(triples.columns).equals(triples)
    number = len(lines)
    counts = {"given": number + 3, "dropped": 0, "of dev queries": 2, "of test queries": 1, "triples": number}
    assert read_manifest(layout.LABELS / "imported" / "T9").counts == counts


def test_lines_of_dev_and_test_queries_alone_are_refused(take_in: Stage, lines: list[str]) -> None:
    with pytest.raises(ScoreError, match="got 64 lines, none of a training query of the collection"):
        take_in(joined([changed(line, 2, query_of("dev")) for line in lines]))
    nothing_is_left()


def test_lines_of_what_the_collection_dropped_are_dropped_and_counted(
    take_in: Stage, lines: list[str], triples: pl.DataFrame
) -> None:
    gone = [("a query", None), (None, "a passage"), ("a qrel's query", "a qrel's passage")]
    rows = [("dropped", query, passage, "train") for query, passage in gone]
    table = pl.DataFrame(rows, schema=ROWS, orient="row")
    table.write_csv(layout.COLLECTION / "dropped.tsv", separator="\t")
    spoilt = [changed(lines[0], 2, "a query"), changed(lines[0], 3, "a passage"), changed(lines[0], 4, "a passage")]
    labels = take_in(joined([*spoilt, *lines]))
    assert labels.select(triples.columns).equals(triples)
    assert read_manifest(layout.LABELS / "imported" / "T9").counts == {"given": 67, "dropped": 3, "triples": 64}
    # What a dropped qrel names was never given.
    with pytest.raises(ScoreError, match=r"scores.tsv:65: got pos_passage_id 'a qrel's passage'"):
        take_in(joined([*lines, changed(lines[0], 3, "a qrel's passage")]))


def test_a_pair_with_another_score_is_refused(take_in: Stage, lines: list[str]) -> None:
    query, passage = lines[5].split("\t")[2:4]
    with pytest.raises(ScoreError, match=rf"for query '{query}' and passage '{passage}', expected one score per pair"):
        take_in(joined([*lines, changed(lines[5], 0, "99")]))
    nothing_is_left()


@pytest.mark.parametrize(
    ("spoil", "name", "message"),
    [
        (lambda content: content[:-1], "scores.tsv", "a last line without its end"),
        (lambda content: content[:-5] + b"\n", "scores.tsv", "scores.tsv:64: got neg_passage_id"),
        (lambda _: b"", "scores.tsv", "got an empty file"),
        (lambda content: b"\xff" + content, "scores.tsv", "got .* invalid UTF8 data"),
        (lambda content: gzip.compress(content[:-1]), "scores.tsv.gz", "a last line without its end"),
        (lambda content: gzip.compress(content)[:-200], "scores.tsv.gz", "got Truncated compressed stream"),
        (lambda content: content, "scores.tsv.gz", "got zlib inflate failed"),
        (lambda content: b"x" * (1 << 25) + content, "scores.tsv", "got straddling object"),
    ],
)
def test_a_spoilt_file_is_refused(
    take_in: Stage, lines: list[str], spoil: Callable[[bytes], bytes], name: str, message: str
) -> None:
    with pytest.raises(ScoreError, match=message):
        take_in(spoil(joined(lines)), name)
    nothing_is_left()


def nothing_is_left() -> None:
    assert not layout.LABELS.exists()
    assert not list(Path(".work").rglob("*.parquet"))


@pytest.fixture
def labelled(project: Path, tiny_params: Params, take_in: Stage, lines: list[str]) -> Params:
    """A project with the labels of T1, as if it had scored."""
    labels = take_in(joined(lines))
    with whole_directory(
        layout.LABELS / "bm25" / "T1",
        "distilrank labels of T1",
        {"labels": {"scale": "none"}},
        [layout.TRIPLES / "bm25"],
    ) as draft:
        labels.write_parquet(draft.path / FILE)
    with whole_directory(layout.MODELS / "T1", "distilrank train T1", made_with(tiny_params), []):
        pass
    return tiny_params


def made_with(params: Params) -> dict[str, object]:
    """As the stage that trains T1 writes it to the manifest."""
    return params.teachers["T1"].model_dump() | params.model_dump(include={"backbone", "tokens"})


@pytest.mark.parametrize("gzipped", [False, True])
def test_what_is_exported_comes_back_the_same(labelled: Params, take_in: Stage, gzipped: bool, tmp_path: Path) -> None:
    labels, target = read_labels(layout.LABELS / "bm25" / "T1"), tmp_path / "package"
    export_scores(layout.LABELS / "bm25" / "T1", target, "cc-by-4.0", gzipped)
    text = target / ("scores.tsv.gz" if gzipped else "scores.tsv")
    assert take_in(text.read_bytes(), text.name).equals(labels)
    form = pl.read_parquet(target / "scores.parquet")
    assert form.columns == ["pos_score", "neg_score", "query_id", "pos_passage_id", "neg_passage_id"]
    assert form["pos_score"].equals(labels["positive_score"].alias("pos_score"))
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=target, capture_output=True, text=True, check=True)
    assert checked.stdout.count("OK") == 3


def test_the_card_tells_what_is_in_the_package(labelled: Params, tmp_path: Path) -> None:
    target = tmp_path / "package"
    export_scores(layout.LABELS / "bm25" / "T1", target, "cc-by-4.0", False)
    card = (target / "README.md").read_text()
    labels = read_labels(layout.LABELS / "bm25" / "T1")
    assert card.startswith("---\nlicense: cc-by-4.0\n---\n")
    assert "T1: cat on minilm, 2 layers, trained with ranknet" in card
    assert f"| queries | {labels['query_id'].n_unique()} |" in card
    assert f"| positive | {labels['positive_score'].mean():.3f} |" in card
    assert json.loads((target / "manifest.json").read_text())["params"]["licence"] == "cc-by-4.0"


def test_several_negatives_are_several_lines(labelled: Params, tmp_path: Path) -> None:
    labels = read_labels(layout.LABELS / "bm25" / "T1").with_columns(
        pl.col("negative_ids").list.concat("negative_ids"), pl.col("negative_scores").list.concat("negative_scores")
    )
    labels.write_parquet(layout.LABELS / "bm25" / "T1" / FILE)
    export_scores(layout.LABELS / "bm25" / "T1", tmp_path / "package", "unknown", False)
    assert len((tmp_path / "package/scores.tsv").read_text().splitlines()) == 2 * len(labels)


def test_a_package_is_not_written_over_another_or_without_labels(labelled: Params, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got an existing path"):
        export_scores(layout.LABELS / "bm25" / "T1", tmp_path, "unknown", False)
    with pytest.raises(MissingInput, match=r"labels/bm25/T2/labels.parquet: got no such file"):
        export_scores(layout.LABELS / "bm25" / "T2", tmp_path / "package", "unknown", False)
    with pytest.raises(InputError, match="--licence: got 'my own'"):
        export_scores(layout.LABELS / "bm25" / "T1", tmp_path / "package", "my own", False)
    assert not (tmp_path / "package").exists()
