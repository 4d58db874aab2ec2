"""Each source, in its own form, holds the same small collection: in folders, archives, over HTTP and from S3."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter
from tests.data.small import PASSAGES, QRELS, QUERIES, lines
from tests.data.sources.conftest import assert_holds_it

from distilrank.config.entries import Collection as Section
from distilrank.data.collection import SCHEMAS
from distilrank.data.sources.from_ir_datasets import rows_of
from distilrank.data.sources.msmarco_passage import CHECKSUMS
from distilrank.errors import CollectionError, DownloadError

SECTION: TypeAdapter[Section] = TypeAdapter(Section)


def section(**values: Any) -> Section:
    return SECTION.validate_python(values)


def beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    passages = [json.dumps({"_id": id_, "title": title, "text": text}) for id_, title, text in PASSAGES]
    (folder / "corpus.jsonl").write_text("\n".join(passages))
    queries = [json.dumps({"_id": id_, "text": text, "metadata": {"url": "x"}}) for id_, text in QUERIES.values()]
    (folder / "queries.jsonl").write_text("\n".join(queries))
    for split, qrel in QRELS.items():
        (folder / "qrels" / f"{split}.tsv").write_text(lines([("query-id", "corpus-id", "score"), qrel]))
    return folder


def test_beir_in_a_folder(tmp_path: Path) -> None:
    folder = beir(tmp_path / "beir")
    assert_holds_it(section(source="beir", location=str(folder)), tmp_path)
    with gzip.open(folder / "corpus.jsonl.gz", "wb") as file:
        file.write((folder / "corpus.jsonl").read_bytes())
    (folder / "corpus.jsonl").unlink()
    assert_holds_it(section(source="beir", location=str(folder)), tmp_path)


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_beir_in_an_archive_on_the_web_with_its_checksum(tmp_path: Path, web: tuple[str, Path], form: str) -> None:
    address, folder = web
    beir(tmp_path / "made" / "scifact")
    archive = Path(shutil.make_archive(str(folder / "scifact"), form, tmp_path / "made"))
    checksums = {archive.name: f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"}
    location = f"{address}/{archive.name}"
    params = {"source": "beir", "location": location, "checksums": checksums}
    assert_holds_it(section(**params), tmp_path)
    archive.unlink()  # it is in the cache by now
    assert_holds_it(section(**params), tmp_path)
    wrong = {archive.name: "md5:" + "0" * 32}
    with pytest.raises(DownloadError, match="md5"):
        section(**params | {"checksums": wrong}).opened().qrels()


def test_beir_below_a_url_and_from_a_mirror(tmp_path: Path, web: tuple[str, Path]) -> None:
    address, folder = web
    beir(folder / "mirror")
    params = section(source="beir", location=f"{address}/gone", mirrors=[f"{address}/mirror/"])
    assert_holds_it(params, tmp_path)


def test_beir_below_an_s3_prefix(tmp_path: Path, bucket: Any) -> None:
    folder = beir(tmp_path / "beir")
    for file in folder.rglob("*.*l*"):
        bucket.upload_file(str(file), "team", f"data/beir/{file.relative_to(folder)}")
    for split in QRELS:
        bucket.upload_file(str(folder / f"qrels/{split}.tsv"), "team", f"data/beir/qrels/{split}.tsv")
    assert_holds_it(section(source="beir", location="s3://team/data/beir"), tmp_path)


def test_beir_with_splits_of_other_names(tmp_path: Path) -> None:
    folder = beir(tmp_path / "beir")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "judged.tsv")
    splits = {"train": "train", "dev": "dev", "dl19": "judged"}
    params = section(source="beir", location=str(folder), splits=splits)
    assert_holds_it(params, tmp_path, {"test": "dl19"})
    with pytest.raises(DownloadError, match=r"qrels/dl20.tsv: got no such file"):
        section(source="beir", location=str(folder), splits={"dl20": "dl20"}).opened().qrels()
    shutil.rmtree(folder / "qrels")
    with pytest.raises(CollectionError, match=r"got no qrels, expected some of qrels/train.tsv, qrels/dev.tsv"):
        section(source="beir", location=str(folder)).opened().qrels()


def test_parquet_tables_from_s3(tmp_path: Path, bucket: Any) -> None:
    tables = {
        "passages": PASSAGES,
        "queries": [(*query, split) for split, query in QUERIES.items()],
        "qrels": [(*qrel, split) for split, qrel in QRELS.items()],
    }
    for name, rows in tables.items():
        file = tmp_path / f"{name}.own"
        pl.DataFrame(rows, schema=SCHEMAS[name], orient="row").write_parquet(file)
        bucket.upload_file(str(file), "team", f"mine/{name}.parquet")
    assert_holds_it(section(source="parquet", location="s3://team/mine"), tmp_path)


@pytest.mark.parametrize("titles", [False, True])
def test_tab_separated_files(tmp_path: Path, titles: bool) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = PASSAGES if titles else [(id_, text) for id_, _, text in PASSAGES]
    (folder / "passages.tsv").write_text(lines(rows))
    splits = {}
    for split, query in QUERIES.items():
        (folder / f"queries.{split}.tsv").write_text(lines([query]))
        id_, passage, relevance = QRELS[split]
        (folder / f"{split}.qrels").write_text(f"{id_} 0 {passage} {relevance}\n")
        splits[split] = {"queries": f"queries.{split}.tsv", "qrels": f"{split}.qrels"}
    assert_holds_it(section(source="tsv", location=str(folder), passages="passages.tsv", splits=splits), tmp_path)


def test_trecs_own_forms(tmp_path: Path) -> None:
    folder = tmp_path / "trec"
    folder.mkdir()
    documents = [
        f"<DOC>\n<DOCNO> {id_} </DOCNO>\n<TEXT>\n<P>{text.replace(' ', ' <b>')}</b>\n</P>\n</TEXT>\n</DOC>\n"
        for id_, _, text in PASSAGES
    ]
    (folder / "documents.sgml").write_text("\n".join(documents))
    splits = {}
    for split, (id_, text) in QUERIES.items():
        topic = f"<top>\n<num> Number: {id_}\n<title> {text}\n\n<desc> Description:\nmore of it\n</top>\n"
        (folder / f"{split}.topics").write_text(topic)
        (folder / f"{split}.qrels").write_text(f"{id_} 0 {QRELS[split][1]} {QRELS[split][2]}\n")
        splits[split] = {"queries": f"{split}.topics", "qrels": f"{split}.qrels"}
    assert_holds_it(section(source="trec", location=str(folder), passages="documents.sgml", splits=splits), tmp_path)


def test_trec_documents_have_titles_and_entities(tmp_path: Path) -> None:
    document = (
        "<DOC>\n<DOCNO>d</DOCNO>\n<HEADLINE>Fish &amp; chips</HEADLINE>\n<TEXT>one</TEXT>\n<TEXT>two</TEXT>\n</DOC>"
    )
    (tmp_path / "d").write_text(f"{document}\n<DOC>\n<DOCNO>e</DOCNO>\nall of it\n</DOC>\n")
    files = {"test": {"queries": "t", "qrels": "r"}}
    [table] = section(source="trec", location=str(tmp_path), passages="d", splits=files).opened().passages()
    assert table.rows() == [("d", "Fish & chips", "one two"), ("e", "", "all of it")]


def official(folder: Path) -> dict[str, str]:
    """MS MARCO's files under their official names and forms; returns their checksums."""
    tsv = lines((id_, text) for id_, _, text in PASSAGES)
    archive(folder / "collection.tar.gz", {"collection.tsv": tsv})
    archive(folder / "queries.tar.gz", {
        "queries.train.tsv": lines([QUERIES["train"]]), "queries.eval.tsv": "9\tsecret\n",
        "queries.dev.tsv": lines([QUERIES["dev"]])})  # fmt: skip
    (folder / "msmarco-test2019-queries.tsv.gz").write_bytes(gzip.compress(lines([QUERIES["test"]]).encode()))
    for split, name in {"train": "qrels.train.tsv", "dev": "qrels.dev.tsv", "test": "2019qrels-pass.txt"}.items():
        query, passage, relevance = QRELS[split]
        separator = " " if split == "test" else "\t"
        (folder / name).write_text(separator.join([query, "0", passage, str(relevance)]) + "\n")
    return {file.name: f"md5:{hashlib.md5(file.read_bytes()).hexdigest()}" for file in folder.iterdir()}


def archive(path: Path, members: dict[str, str]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))


SPLITS = {"train": "train", "dev": "dev", "dl19": "trec-dl-2019"}


def test_ms_marco_from_its_own_site_and_nists(tmp_path: Path, web: tuple[str, Path]) -> None:
    address, folder = web
    (folder / "microsoft").mkdir()
    (folder / "nist").mkdir()
    checksums = official(folder / "microsoft")
    (folder / "microsoft" / "2019qrels-pass.txt").rename(folder / "nist" / "2019qrels-pass.txt")
    params = section(source="msmarco-passage", location=f"{address}/microsoft", mirrors=[f"{address}/nist"],
                     checksums=checksums, splits=SPLITS)  # fmt: skip
    assert_holds_it(params, tmp_path, {"test": "dl19"})


def test_ms_marcos_published_checksums_are_held_against_what_comes(tmp_path: Path, web: tuple[str, Path]) -> None:
    address, folder = web
    official(folder)
    source = section(source="msmarco-passage", location=address, splits=SPLITS).opened()
    with pytest.raises(DownloadError, match=f"expected {CHECKSUMS['qrels.train.tsv'].removeprefix('md5:')}"):
        source.qrels()


def test_ms_marco_unpacked_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "msmarco"
    folder.mkdir()
    official(folder)
    for name in ("collection.tar.gz", "queries.tar.gz"):
        with tarfile.open(folder / name) as tar:
            tar.extractall(folder, filter="data")
        (folder / name).unlink()
    assert_holds_it(
        section(source="msmarco-passage", location=str(folder), splits=SPLITS, checksums={
            name: f"md5:{hashlib.md5((folder / name).read_bytes()).hexdigest()}"
            for name in ("qrels.train.tsv", "qrels.dev.tsv", "2019qrels-pass.txt", "msmarco-test2019-queries.tsv.gz")
        }),
        tmp_path, {"test": "dl19"},
    )  # fmt: skip


def test_a_data_set_of_ir_datasets(tmp_path: Path, registered: str) -> None:
    splits = {split: split for split in QUERIES}
    assert_holds_it(section(source=f"ir_datasets:{registered}", splits=splits), tmp_path)


def test_a_data_set_that_ir_datasets_does_not_have(registered: str) -> None:
    with pytest.raises(CollectionError, match="ir_datasets no/such: got no such data set"):
        list(section(source="ir_datasets:no/such", splits={"test": "test"}).opened().passages())
    with pytest.raises(CollectionError, match=f"ir_datasets {registered}: got no queries, expected a data set with"):
        list(rows_of(registered, "queries"))
