"""The measures in a directory, or at a revision of this project; and the texts of the queries that are here."""

from pathlib import Path

import polars as pl

from distilrank.artifacts import layout
from distilrank.data.collection import Collection
from distilrank.errors import InputError, MissingInput
from distilrank.evaluation.tasks import RERANK, RETRIEVE, task_of


def measures_in(directory: Path) -> pl.DataFrame | None:
    """The measures in a working tree, or in a folder that holds the file itself; None if there is no such directory.

    Raises MissingInput if a directory has no measures.
    """
    for file in (directory / layout.MEASURES, directory / layout.MEASURES.name):
        if file.is_file():
            return pl.read_parquet(file)
    if directory.is_dir():
        raise MissingInput(
            directory, got="no measures", expected=f"{layout.MEASURES}", remedy="measure there with `dvc repro`"
        )
    return None


def texts_of_queries() -> dict[str, dict[str, str]]:
    """The texts of the test queries of the collections that are here, by task and query id."""
    others = sorted(place.name for place in layout.EVALUATIONS.glob("*"))
    return {task: texts for name in (layout.OWN, *others) for task, texts in _texts_on(name).items()}


def _texts_on(evaluation: str) -> dict[str, dict[str, str]]:
    place = layout.places_of(evaluation).collection
    if not (place / "queries.parquet").is_file():
        return {}
    collection = Collection.read(place)
    sets = collection.test_sets()
    texts = {name: dict(collection.queries_of(name).select("query_id", "text").iter_rows()) for name in sets}
    return {task_of(name, kind, sets, evaluation): texts[name] for name in sets for kind in (RERANK, RETRIEVE)}


def measures_at(revision: str) -> pl.DataFrame:
    """The measures that dvc.lock names at a revision, from DVC's cache or remote; nothing is checked out.

    Raises InputError if there is no such revision, MissingInput if the measures cannot be fetched.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError
    from dvc_data.index import DataIndexDirError

    try:
        files = DVCFileSystem(rev=revision)
        with files.open(layout.MEASURES.as_posix(), "rb") as content:
            return pl.read_parquet(content.read())
    except (RevError, SCMError) as error:
        raise InputError(
            "compare",
            got=f"'{revision}' ({error})",
            expected="a revision of git, a directory with measures, a run of MLflow, or models:/NAME/VERSION",
            remedy="name one",
        ) from error
    except (DataIndexDirError, DvcException, OSError) as error:
        raise MissingInput(
            f"{layout.MEASURES} at {revision}",
            got=f"nothing ({error})",
            expected="what `metrics` wrote, in dvc.lock and in DVC's cache or remote",
            remedy=f"get it with `dvc fetch --all-commits {layout.MEASURES}`, or build it there with `dvc repro`",
        ) from error
