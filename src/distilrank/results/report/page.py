"""The report's page, and what is on it."""

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from distilrank.config.derived import first_stage_of
from distilrank.data.collection import DEV, TRAIN
from distilrank.evaluation.tasks import RERANK, RETRIEVE, title_of
from distilrank.results.at_a_glance import at_a_glance
from distilrank.results.expected import graded, not_graded
from distilrank.results.report.agreement import knowledge
from distilrank.results.report.breakdown import breakdowns
from distilrank.results.report.by_query import by_query
from distilrank.results.report.calibration import calibrations
from distilrank.results.report.comparisons import uncompared, unequal
from distilrank.results.report.configuration import configuration
from distilrank.results.report.cost import costs, dominating
from distilrank.results.report.deployed import deployed_plot, deployed_rows, weights_told
from distilrank.results.report.examples import choose_examples
from distilrank.results.report.formats import FILTERS
from distilrank.results.report.gains import gains_in
from distilrank.results.report.headline import Headline, headline
from distilrank.results.report.index_table import index_plot, index_rows
from distilrank.results.report.inputs import ReportInputs
from distilrank.results.report.label_quality import label_quality
from distilrank.results.report.matrix_table import matrix_tables
from distilrank.results.report.rankers import ReportedRanker
from distilrank.results.report.rerank_depth import depth_curves
from distilrank.results.report.results import results_table
from distilrank.results.report.score_distributions import score_distributions
from distilrank.results.report.shipping import shipping
from distilrank.results.report.test_tables import test_tables
from distilrank.results.report.tradeoff import tradeoff
from distilrank.results.report.training_curves import training_curves

TEMPLATES = Path(__file__).parent
MEANINGS = {
    "nDCG": "nDCG@k is 1 when the relevant passages stand first, less the lower they stand, 0 when none is in the k",
    "RR": "RR@k is one over the rank of the first relevant passage, 0 when none is in the k",
    "AP": "AP averages the precision at each relevant passage",
    "R": "R@k is the share of the relevant passages that are among the first k",
    "P": "P@k is the share of the first k passages that are relevant",
    "Success": "Success@k is 1 where a relevant passage is among the first k",
    "Judged": "Judged@k is the share of the first k passages that have a qrel",
}
# The marks after a taught student's figure, by the verdict on its difference from its control.
MARKS = {"gain": "▲", "loss": "▼", "unclear": ""}


def write_report(inputs: ReportInputs) -> str:
    """The report as one HTML document that fetches nothing. The same inputs give the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    script = (TEMPLATES / "sorting.js.jinja").read_text("utf-8")
    gains = {task: gains_in(inputs, task) for task in inputs.metrics}
    table, by_teacher = results_table(inputs, gains), matrix_tables(inputs, gains)
    collection, named = inputs.collection, inputs.params.collections_named()
    indexes, copies = (index_rows(inputs.audit, inputs.params.audit.floors, task) for task in (RETRIEVE, RERANK))
    head, every = headline(inputs, gains, by_teacher[inputs.primary]), costs(inputs)
    return environment.get_template("template.html.jinja").render(
        inputs=inputs,
        params=inputs.params,
        architectures=list(dict.fromkeys(one.ranker.architecture for one in inputs.params.students.values())),
        passages=len(collection.passage_ids()),
        queries={split: len(collection.queries_of(split)) for split in (TRAIN, DEV)},
        test_queries={name: len(collection.queries_of(name)) for name in collection.test_sets()},
        glance=at_a_glance(inputs.params, inputs.metrics, inputs.histories),
        headline=head,
        ship=shipping(inputs, every),
        primary=inputs.measure,
        matrix_tables=by_teacher,
        compared={task: Counter(one.measure for one in inputs.tests if one.task == task) for task in gains},
        tests=test_tables(inputs),
        uncompared=uncompared(inputs),
        unequal=unequal(inputs),
        marks=MARKS,
        table=table,
        titles={task: title_of(task, first_stage_of(inputs.params, task)) for task in inputs.metrics},
        expected=graded(inputs.params.report.expected, named, inputs.metrics),
        not_graded=not_graded(inputs.params.report.expected, named),
        meanings=_meanings([measure for measures in table.tasks.values() for measure in measures]),
        training_curves=training_curves(inputs),
        score_distributions=score_distributions(inputs),
        costs=every,
        front=dominating(every),
        tradeoff=tradeoff(every, inputs.measure, inputs.params.report.budgets.milliseconds),
        audit=inputs.audit,
        indexes=indexes,
        copies=copies,
        deployed=(searches := deployed_rows(inputs)),
        deployed_plot=deployed_plot(searches, inputs.measure) if searches else "",
        weights=weights_told(inputs),
        index_plot=index_plot(indexes) if indexes else "",
        depth_curves=depth_curves(inputs),
        by_query=by_query(inputs, head.student, head.yardstick),
        breakdowns=breakdowns(inputs, _compared(inputs, head)),
        knowledge=knowledge(inputs, head.student),
        calibrations=calibrations(inputs),
        times=inputs.latency.by_title(),
        label_quality=label_quality(inputs),
        examples=choose_examples(inputs),
        configuration=configuration(inputs.params),
        script=Markup(script),
        script_digest=Markup(f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"),
    )


def _compared(inputs: ReportInputs, head: Headline) -> list[ReportedRanker]:
    """The rankers of the headline: the first stage, the teacher, the control and the student."""
    names = (inputs.rankers[0].name, head.yardstick.name, head.student.control, head.student.name)
    return [ranker for ranker in inputs.rankers if ranker.name in names]


def _meanings(measures: list[str]) -> list[str]:
    kinds = {re.split(r"\W", measure)[0] for measure in measures}
    return [meaning for kind, meaning in MEANINGS.items() if kind in kinds]
