"""A ready-to-use package of a teacher's scores, from which others can distil without the teacher."""

from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distilrank.artifacts import layout
from distilrank.artifacts.directories import new_directory
from distilrank.artifacts.files import built, sha256_of, write_text
from distilrank.artifacts.manifest import read_manifest
from distilrank.data.collection import Collection
from distilrank.errors import InputError
from distilrank.labels.forms import FORMS
from distilrank.labels.labels import FILE, scored_pairs, write_in_pieces
from distilrank.labels.quality import quality
from distilrank.sections.data import BM25

CHECKSUMS = "SHA256SUMS"


def export_scores(labels: Path, target: Path, licence: str, gzipped: bool, form: str = "scores") -> None:
    """Writes a new directory: the triples with their scores as text and as Parquet, a data card, and checksums.

    Raises InputError if `target` exists, the licence is no identifier, or the form is unknown. Raises MissingInput
    without labels.
    """
    if not licence or any(character.isspace() or character in "\"'#:" for character in licence):
        raise InputError(
            "--licence", got=f"'{licence}'", expected="an identifier such as cc-by-4.0", remedy="give one, or none"
        )
    if form not in FORMS:
        raise InputError("--form", got=f"'{form}'", expected=f"one of {', '.join(FORMS)}", remedy="name one of these")
    chosen = FORMS[form]
    source, teacher = built(labels / FILE), labels.name
    manifest, table = read_manifest(labels), pl.scan_parquet(source)
    text, rows = f"{chosen.text}.gz" if gzipped else chosen.text, "scores.parquet"
    used = {"licence": licence, "teacher": teacher, "form": form}
    collection = Collection.read(layout.COLLECTION)
    with new_directory(target, f"distilrank export-scores {teacher}", used, source) as draft:
        lines = write_in_pieces(draft / rows, chosen.rows(table, collection))
        chosen.write(draft / rows, draft / text)
        ids = scored_pairs(table).select(pl.col("query_id", "passage_id").n_unique())
        queries, passages = ids.collect(engine="streaming").row(0)
        negatives = table.select(pl.col("negative_ids").list.len()).head(1).collect().item()
        card = {
            "name": target.name,
            "licence": licence,
            "teacher": teacher,
            "what": _description(labels),
            "source": read_manifest(layout.COLLECTION).params["source"],
            "tokens": _tokens(labels),
            "counts": {"lines": lines, "queries": queries, "passages": passages},
            "figures": quality({teacher: table})["teachers"][teacher],
            "scale": manifest.params["labels"]["scale"],
            "inputs": manifest.inputs,
            "text": text,
            "columns": chosen.columns,
            "keys": chosen.keys.format(negatives=negatives),
            "sha256": sha256_of(draft / text),
        }
        write_text(draft / "README.md", _card(card))
        files = ["README.md", rows, text]
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
    """A teacher in one sentence, from the manifests of what made it."""
    used = read_manifest(labels).params
    if "location" in used:
        return f"Imported from {Path(used['location']).name}; DistilRank did not make these scores."
    members = used.get("members", [labels.name])
    described = "; ".join(f"{name}: {_ranker(name)}" for name in members)
    if "members" not in used:
        return f"{described}."
    scaled = "" if used["scale"] == "none" else f", each brought to the scale {used['scale']}"
    shares = ", ".join(f"{name} {weight:g}" for name, weight in (used.get("weights") or {}).items())
    weighted = f", by the weights {shares}" if shares else ""
    return f"The {used['combine']} of {len(members)} rankers{scaled}{weighted} ({described})."


def _tokens(labels: Path) -> dict[str, Any]:
    """How many tokens of a text a teacher reads. For an ensemble, its first member other than BM25 counts."""
    used = read_manifest(labels).params
    rankers = [name for name in used.get("members", [labels.name]) if name != BM25]
    if "location" in used or not rankers:
        return read_manifest(layout.TOKENS).params
    tokens: dict[str, Any] = read_manifest(layout.MODELS / rankers[0]).params["tokens"]
    return tokens


def _ranker(name: str) -> str:
    if name == BM25:
        return "a lexical ranker, not trained"
    used = read_manifest(layout.MODELS / name).params
    ranker = used["ranker"]
    if "checkpoint" in used:
        return f"{ranker['architecture']} of {ranker['layers']} layers, given by {used['checkpoint']}"
    training = used["training"]
    steps = used.get("chosen", {}).get("steps", training["steps"])
    return (
        f"{ranker['architecture']} on {used['backbone']['model']}, {ranker['layers']} layers, "
        f"trained with {used['loss']['name']} for at most {steps} steps of {training['batch_size']}"
    )
