"""collect: a collection as checked tables of passages, queries and qrels, with a list of what was dropped."""

from contextlib import nullcontext
from pathlib import Path

from distilrank.artifacts.directories import whole_directory
from distilrank.artifacts.files import write_json
from distilrank.artifacts.layout import OWN, places_of
from distilrank.artifacts.work import work_directory
from distilrank.config.derived import measured_on
from distilrank.config.params import Params
from distilrank.data.collection import DEV, TRAIN, UNLABELLED, Collection
from distilrank.data.findings import DROPPED, Findings
from distilrank.data.intake import take_in
from distilrank.data.sources.only_tests import OnlyTestQueries
from distilrank.data.sources.source import Source
from distilrank.sections.pseudo import Generated
from distilrank.stages.pseudo import WithPseudoQueries


def collect(params: Params, evaluation: str = OWN) -> None:
    """Writes the collection that models learn from, or the test queries of another that they are measured on."""
    on, is_other = measured_on(params, evaluation), evaluation != OWN
    section, target = on.collection, places_of(evaluation).collection
    asked = None if is_other else params.pseudo_queries
    used, made_by = section.model_dump(), "distilrank collect"
    if is_other:
        used, made_by = used | {"count_absent": on.count_absent}, f"{made_by} {evaluation}"
    if asked:
        used |= {"pseudo_queries": asked.model_dump(), "pseudo_filter": asked.filter_of(on.candidates)}
    # What a model writes outlives a kill; all else is read again in no time.
    kept = work_directory("collect", "collect", used, []) if isinstance(asked, Generated) else nullcontext(Path())
    with kept as work, whole_directory(target, made_by, used, []) as draft:
        pseudo = Findings()
        with_pseudo = WithPseudoQueries(asked, section, on.candidates, work, pseudo) if asked else None
        source: Source = with_pseudo or (OnlyTestQueries(section.opened()) if is_other else section.opened())
        made = with_pseudo.made_ids() if with_pseudo else ()
        findings = take_in(
            source, draft.path, *section.dev_from_train, section.exclude_identical_ids, on.count_absent, made
        )
        findings.found += pseudo.found
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
