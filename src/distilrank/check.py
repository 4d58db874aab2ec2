"""check: what would fail after hours is refused before them: places, queries and backbones that the params need."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from distilrank.artifacts import layout
from distilrank.artifacts.manifest import MANIFEST, read_manifest
from distilrank.config.derived import measured_on, models_of, pretrained_below, read_by
from distilrank.config.entries import PARAMS_FILE
from distilrank.config.labelling import learns_from_imports_alone, learns_without_qrels
from distilrank.config.models import Student, Teacher
from distilrank.config.names import IMPORTED
from distilrank.config.params import Params
from distilrank.config.starts import Source, source_of
from distilrank.data.backbone import locate_backbone, locate_description
from distilrank.data.collection import DEV, TRAIN, UNLABELLED, Collection
from distilrank.data.downloads import fetched
from distilrank.data.hub import BUNDLED
from distilrank.data.pseudo_queries import PSEUDO
from distilrank.data.sources.section import IR_DATASETS
from distilrank.data.tokenizer import TOKENIZER_FILES, TextTokenizer, refuse_other_vocabulary
from distilrank.errors import CollectionError, InputError, NotThere, ParamsError, all_told
from distilrank.rankers.table import trained_params
from distilrank.redaction import without_secrets
from distilrank.sections.base import FileElsewhere, Section, is_remote
from distilrank.sections.checkpoints import REGISTERED, GivenModel
from distilrank.sections.data import Backbone

_TEST = "test"
# What the queries of a split are for, and how to come by some.
_NEEDED = {
    TRAIN: ("to learn from", "name training queries in collection.splits, or have some made by pseudo_queries"),
    DEV: ("to validate on while training", "set collection.dev_share to take some of the training queries"),
    _TEST: ("to measure by", "name a test set in collection.splits, or, for aws-api-docs and clicks, raise test_share"),
}

# The same, if there are training queries but none has labels.
_NEEDED_WITHOUT_LABELS = {
    TRAIN: "name some in collection.splits (of the source passages: clicks in collection.clicks); or let runs alone "
    "teach, with positive_ranks, and leave teachers, matrix.controls and matrix.controls_per_teacher empty",
    DEV: "name dev queries with labels in collection.splits",
}


def check(params: Params, thoroughly: bool = False) -> None:
    """Raises InputError for all that is known to be missing, a line each, without a download of any size.

    Where `thoroughly`, also asks MLflow's registry for versions, which stages need no server for, and holds files
    here against their checksums, which takes a while.
    """
    all_told(_checks(params, thoroughly))


def _checks(params: Params, thoroughly: bool) -> Iterator[Callable[[], object]]:
    for place in _places(params):
        yield partial(place.refuse, thoroughly)
    splits = _known_splits(params, layout.OWN)
    if splits is not None:
        yield from _checks_of_splits(params, splits)
    for name in params.evaluations:
        yield partial(_check_evaluation, params, name, splits or set())
    # A backbone's weights are read once, whoever starts from it.
    located = cache(partial(_located, thoroughly=thoroughly))
    for entry in _entries(params):
        yield partial(_check_ranker, params, entry, located)
    for name, given in params.given_models().items():
        yield partial(_check_given, params, name, given, thoroughly)


@dataclass(frozen=True)
class _Place:
    """A location that an entry of the params names, and the output that no longer needs it once it is made so."""

    entry: str
    location: str
    output: Path
    made_with: Mapping[str, Any]
    may_be_folder: bool = False
    checksum: str | None = None

    def refuse(self, reads: bool) -> None:
        """Raises NotThere and, where it `reads`, DownloadError for another checksum. What is elsewhere is not asked
        for: whether a server has it shows when it is fetched."""
        if is_remote(self.location) or self.location.startswith(IR_DATASETS):
            return
        path = Path(self.location.partition("#")[0])
        if _is_made(self.output, self.made_with) or (self.may_be_folder and path.is_dir()):
            return
        if path.is_file():
            with _said_of(self.entry):
                fetched(str(path), self.checksum if reads else None)
            return
        expected = "a folder or an archive" if self.may_be_folder else "a file"
        raise NotThere(
            f"{PARAMS_FILE}: {self.entry}", got=f"'{path}', which is not there", expected=expected,
            remedy="correct the location, or put it there",
        )  # fmt: skip


def _places(params: Params) -> Iterator[_Place]:
    for name in (layout.OWN, *params.evaluations):
        on, output = measured_on(params, name), layout.places_of(name)
        within = f"evaluations.{name}." if name in params.evaluations else ""
        for key, place in on.collection.places.items():
            yield _Place(f"{within or 'collection.'}{key}", place, output.collection, _dumped(on.collection), True)
        for number, run in enumerate(on.candidates.runs):
            yield _file(f"{within}candidates.runs.{number}", run, output.candidates, on.candidates)
    if not learns_from_imports_alone(params):
        yield from _places_of_triples(params)
    for name, one in params.imports.items():
        yield _file(f"imports.{name}", one, layout.LABELS / IMPORTED / name, one)
    for entry in _entries(params):
        ranker = entry.section.ranker
        for (key, file), model in product(ranker.files.items(), entry.models):
            yield _Place(f"{entry.name}.ranker.{key}", file, layout.MODELS / model, {"ranker": _dumped(ranker)})


def _places_of_triples(params: Params) -> Iterator[_Place]:
    if params.unlabelled and params.unlabelled.clicks:
        first, made_with = next(iter(params.triples)), {"unlabelled": _dumped(params.unlabelled)}
        yield _Place("unlabelled.clicks.location", params.unlabelled.clicks.location, layout.TRIPLES / first, made_with)
    for name, triples in params.triples.items():
        if isinstance(triples, FileElsewhere):
            yield _file(f"triples.{name}", triples, layout.TRIPLES / name, triples)
    for name, mined in params.mined_triples().items():
        for source, file in zip(mined.source_names(), mined.sources, strict=True):
            if isinstance(file, FileElsewhere):
                made_with = {"from": _dumped(file)}
                yield _Place(f"triples.{name}.from.location", file.location, layout.FOUND / name / source, made_with)


def _file(entry: str, file: FileElsewhere, output: Path, section: Section) -> _Place:
    return _Place(f"{entry}.location", file.location, output, _dumped(section), checksum=file.checksum)


def _dumped(section: Section) -> dict[str, Any]:
    """As a manifest has it."""
    dumped: dict[str, Any] = without_secrets(section.model_dump(mode="json"))
    return dumped


def _is_made(output: Path, used: Mapping[str, Any]) -> bool:
    """Whether an output stands, and was made with these params."""
    if not (output / MANIFEST).is_file():
        return False
    made_with = read_manifest(output).params
    return all(made_with.get(key) == value for key, value in used.items())


def _known_splits(params: Params, evaluation: str) -> set[str] | None:
    """The splits of a collection that have queries, or are to have some; None where only `collect` can tell."""
    section, output = measured_on(params, evaluation).collection, layout.places_of(evaluation).collection
    if _is_made(output, _dumped(section)):
        return set(Collection.read(output).queries["split"])
    splits = section.splits_to_come()
    if splits is not None and getattr(section, "unlabelled", None):  # not every source has this key
        splits = splits | {UNLABELLED}
    if splits is not None and evaluation == layout.OWN and params.pseudo_queries:
        has_tests = splits - {TRAIN, DEV, UNLABELLED}
        return splits | {TRAIN, DEV} | (set() if has_tests else {PSEUDO})
    if splits and section.dev_share and TRAIN in splits:
        return splits | {DEV}
    return splits


def _checks_of_splits(params: Params, splits: set[str]) -> Iterator[Callable[[], object]]:
    """That every kind of queries is there that the params ask for, and that every test set has a relevance."""
    test_sets = sorted(splits - {TRAIN, DEV, UNLABELLED})
    present = splits | ({_TEST} if test_sets else set())
    if UNLABELLED in splits and learns_without_qrels(params):
        present |= {TRAIN}
    lacks_labels = UNLABELLED in splits and TRAIN not in splits
    for split in filter(lambda split: split not in present, _NEEDED):
        yield partial(_refuse_without, split, lacks_labels)
    if params.unlabelled and UNLABELLED not in splits:
        yield _refuse_without_unlabelled
    for name in test_sets:
        yield partial(params.minimum_relevance, name)


def _refuse_without_unlabelled() -> None:
    raise CollectionError(
        f"{PARAMS_FILE}: unlabelled",
        got="a collection without unlabelled queries",
        expected="some to learn from, because this section is set",
        remedy="name their file as collection.unlabelled, or set `unlabelled: null`",
    )


def _refuse_without(split: str, lacks_labels: bool) -> None:
    use, remedy = _NEEDED[split]
    raise CollectionError(
        f"{PARAMS_FILE}: collection",
        got=f"no {split} queries",
        expected=f"some, {use}",
        remedy=_NEEDED_WITHOUT_LABELS.get(split, remedy) if lacks_labels else remedy,
    )


def _check_evaluation(params: Params, name: str, trained_on: set[str]) -> None:
    """Raises ParamsError for a name that is a test set's of the collection that models learn from, a test set that has
    no relevance, or stated figures of one that is not there; CollectionError if there are no test queries."""
    entry = f"{PARAMS_FILE}: evaluations.{name}"
    if name in trained_on:
        raise ParamsError(
            entry, got="the name of a test set of the collection", expected="another name", remedy="rename the entry"
        )
    splits = _known_splits(params, name)
    if splits is None:
        return
    test_sets = sorted(splits - {TRAIN, DEV, UNLABELLED})
    if not test_sets:
        raise CollectionError(
            entry, got="no test queries", expected="some, to measure by", remedy="name a test set in its splits"
        )
    for test_set in test_sets:
        params.minimum_relevance(test_set, name)
    for figures in params.report.expected:
        if figures.collection == name and figures.test_set not in test_sets:
            raise ParamsError(
                f"{PARAMS_FILE}: report.expected",
                got=f"figures of {name} for the test set {figures.test_set}",
                expected=f"figures for one of {test_sets}",
                remedy="set test_set to one of these",
            )


@dataclass(frozen=True)
class _Entry:
    """A teacher or a student: how the params call it, the models that come of it, and the pretrained transformers that
    those start from, in the end, with the layers that are taken."""

    name: str
    section: Teacher | Student
    models: list[str]
    starts: list[tuple[Backbone, tuple[int, ...] | None]]


def _entries(params: Params) -> Iterator[_Entry]:
    for name, teacher in params.trained_teachers().items():
        yield _Entry(f"teachers.{name}", teacher, [name], [(teacher.backbone or params.backbone, None)])
    for name, student in params.students.items():
        alone = [source_of(params, name, None)] if name in params.matrix.controls else []
        sources = [*alone, *(source_of(params, name, teacher) for teacher in params.matrix.teachers)]
        starts = [start for source in sources if (start := _pretrained(params, source))]
        yield _Entry(f"students.{name}", student, models_of(params, name), starts)


def _pretrained(params: Params, source: Source) -> tuple[Backbone, tuple[int, ...] | None] | None:
    """Whose layers a source's are in the end. Which ones, of a trained model, params.yaml has checked; those of a given
    teacher, `import-model` checks."""
    below = pretrained_below(params, source)
    return (below, source.layers if source.pretrained else None) if below else None


def _located(backbone: Backbone, thoroughly: bool) -> Path:
    """The backbone's folder. Raises BackboneError, `thoroughly` also for weights that are here and are others."""
    is_here = backbone.model == BUNDLED or Path(backbone.model).is_dir()
    return locate_backbone(backbone) if thoroughly and is_here else locate_description(backbone)


def _check_ranker(params: Params, entry: _Entry, located: Callable[[Backbone], Path]) -> None:
    """Raises BackboneError if a ranker cannot be begun on what it is to start from; makes no weights."""
    # Heavy, and not needed to find a misspelt path.
    from distilrank.rankers.loading import check_fits
    from distilrank.rankers.origin import Origin
    from distilrank.training.lora import check_adapters

    ranker, whose = entry.section.ranker, read_by(params, entry.section)
    with _said_of(entry.name):
        tokenizer = TextTokenizer(located(whose))
        for backbone, layers in dict.fromkeys(entry.starts):
            folder = located(backbone)
            if backbone != whose:
                refuse_other_vocabulary(folder, tokenizer)
            # Word vectors of its own take no layers of a backbone's, and minutes to read.
            if not ranker.files:
                begun = check_fits(ranker, Origin(folder, layers).config(), params.tokens, tokenizer)
                check_adapters(begun, entry.section.training.lora)


def _check_given(params: Params, name: str, given: GivenModel, thoroughly: bool) -> None:
    """Raises InputError for a checkpoint that is not there or cannot rank. Its weights are not read, except
    `thoroughly`, and for their checksum."""
    with _said_of(f"{'teachers' if name in params.teachers else 'baselines'}.{name}"):
        _check_checkpoint(params, name, given, thoroughly)


def _check_checkpoint(params: Params, name: str, given: GivenModel, thoroughly: bool) -> None:
    from distilrank.stages.given_uses import refuse_other_uses, refuse_other_words, refuse_unfit

    model = layout.MODELS / name
    if _is_made(model, given.model_dump(exclude={"tokens"})):
        refuse_other_words(params, name, model)
        refuse_unfit(params, name, trained_params(model))
        return
    if given.checkpoint.startswith(REGISTERED):
        from distilrank.registry.fetched import refuse_absent_version

        if thoroughly:
            refuse_absent_version(given.checkpoint)
        return
    from distilrank.conversion.forms import Form, form_of, refuse_pickles, transformer_folder
    from distilrank.stages.located import located_description, verified

    folder = located_description(given)
    if thoroughly:
        verified(folder, given)
    form = form_of(folder)
    if form in (Form.CROSS_ENCODER, Form.CLASSIFIER):
        refuse_other_uses(params, name, form, meets_in_products=False, one_vector=False)
    if Path(given.checkpoint).is_dir():
        refuse_pickles(folder)
    # One in an older form is read by `import-model`.
    if all((transformer_folder(folder) / file).is_file() for file in TOKENIZER_FILES):
        refuse_other_words(params, name, transformer_folder(folder))


@contextmanager
def _said_of(entry: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise error.within(f"{PARAMS_FILE}: {entry}") from error
