"""collect: the collection as tables of passages, queries and qrels, checked; what was dropped is listed."""

from distilrank.artifacts import layout
from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import write_json
from distilrank.config.params import Params
from distilrank.data.collection import DEV, TRAIN, UNLABELLED, Collection
from distilrank.data.findings import DROPPED
from distilrank.data.intake import take_in


def collect(params: Params) -> None:
    section = params.collection
    with whole_directory(layout.COLLECTION, "distilrank collect", section.model_dump(), []) as draft:
        findings = take_in(section.opened(), draft.path, *section.dev_from_train, section.exclude_identical_ids)
        if section.on_error == "fail":
            findings.refuse_errors()
        write_json(draft.path / "findings.json", findings.summary())
        findings.rows().write_csv(draft.path / DROPPED, separator="\t")
        draft.counts |= _counts(Collection.read(draft.path))


def _counts(collection: Collection) -> dict[str, int]:
    splits = [TRAIN, DEV, *collection.test_sets(), UNLABELLED]
    return (
        {"passages": len(collection.passage_ids())}
        | {f"{split} queries": len(collection.queries_of(split)) for split in splits}
        | {f"{split} qrels": len(collection.qrels_of(split)) for split in splits if split != UNLABELLED}
    )
