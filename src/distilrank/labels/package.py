"""The ready-to-use package of a teacher's scores: for others to distil from, without the teacher."""

from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distilrank.artifacts import layout
from distilrank.artifacts.directories import new_directory
from distilrank.artifacts.files import built, sha256_of, write_text
from distilrank.artifacts.manifest import read_manifest
from distilrank.errors import InputError
from distilrank.labels.labels import FILE
from distilrank.labels.quality import quality
from distilrank.labels.score_lines import published_form, write_published

CHECKSUMS = "SHA256SUMS"


def export_scores(labels: Path, target: Path, licence: str, gzipped: bool) -> None:
    """Writes a new directory: the triples with their scores as text and as Parquet, a data card, and checksums.

    Raises InputError where `target` exists, or the licence is no identifier; MissingInput without labels.
    """
    if not licence or any(character.isspace() or character in "\"'#:" for character in licence):
        raise InputError(
            "--licence", got=f"'{licence}'", expected="an identifier such as cc-by-4.0", remedy="give one, or none"
        )
    source, teacher = built(labels / FILE), labels.name
    manifest, table = read_manifest(labels), pl.scan_parquet(source)
    text = "scores.tsv.gz" if gzipped else "scores.tsv"
    used = {"licence": licence, "teacher": teacher}
    with new_directory(target, f"distilrank export-scores {teacher}", used, source) as draft:
        write_published(draft / text, table, gzipped)
        published_form(table).sink_parquet(draft / "scores.parquet")
        lines = pl.scan_parquet(draft / "scores.parquet")
        counts = lines.select(
            lines=pl.len(),
            queries=pl.col("query_id").n_unique(),
            passages=pl.concat([pl.col("pos_passage_id"), pl.col("neg_passage_id")]).n_unique(),
        )
        card = {
            "name": target.name,
            "licence": licence,
            "teacher": teacher,
            "what": _description(labels),
            "source": read_manifest(layout.COLLECTION).params["source"],
            "tokens": _tokens(labels),
            "counts": counts.collect(engine="streaming").row(0, named=True),
            "figures": quality({teacher: table})["teachers"][teacher],
            "inputs": manifest.inputs,
            "text": text,
            "sha256": sha256_of(draft / text),
        }
        write_text(draft / "README.md", _card(card))
        files = ["README.md", "scores.parquet", text]
        write_text(draft / CHECKSUMS, "".join(f"{sha256_of(draft / name)}  {name}\n" for name in files))


def _card(card: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("data_card.md.jinja").render(**card)


def _description(labels: Path) -> str:
    """What a teacher is, in a sentence, as the manifests of what made it have it."""
    used = read_manifest(labels).params
    if "location" in used:
        return f"Imported from {Path(used['location']).name}; DistilRank did not make these scores."
    members = used.get("members", [labels.name])
    described = "; ".join(f"{name}: {_trained(layout.MODELS / name)}" for name in members)
    return f"The {used['combine']} of {len(members)} rankers ({described})." if "members" in used else f"{described}."


def _tokens(labels: Path) -> dict[str, Any]:
    """How much a teacher read of texts; of an ensemble, its first member."""
    used = read_manifest(labels).params
    first, *_ = used.get("members", [labels.name])
    given = "location" not in used and "checkpoint" in read_manifest(layout.MODELS / first).params
    return read_manifest(layout.OWN_TOKENS / first if given else layout.TOKENS).params


def _trained(model: Path) -> str:
    used = read_manifest(model).params
    ranker = used["ranker"]
    if "checkpoint" in used:
        return f"{ranker['architecture']} of {ranker['layers']} layers, given by {used['checkpoint']}"
    training = used["training"]
    return (
        f"{ranker['architecture']} on {used['backbone']['model']}, {ranker['layers']} layers, "
        f"trained with {used['loss']['name']} for at most {training['steps']} steps of {training['batch_size']}"
    )
