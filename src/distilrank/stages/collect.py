"""collect: the collection as tables of passages, queries and qrels, checked; what was dropped is listed."""

from distilrank import layout
from distilrank.artifacts import whole_directory, write_json
from distilrank.collection_sections import AwsApiDocs
from distilrank.data.collection import DEV, TRAIN, UNLABELLED, Collection
from distilrank.data.findings import DROPPED
from distilrank.data.intake import take_in
from distilrank.data.sources.chosen import chosen_source
from distilrank.params import Params


def collect(params: Params) -> None:
    section = params.collection
    # The embedded collection draws its own dev queries.
    share, most = (None, None) if isinstance(section, AwsApiDocs) else (section.dev_share, section.dev_queries)
    with whole_directory(layout.COLLECTION, "distilrank collect", section.model_dump(), []) as draft:
        findings = take_in(chosen_source(section), draft.path, share, most, section.exclude_identical_ids)
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
