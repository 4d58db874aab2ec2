"""Tables of what params.yaml chooses by a name: what the package has, and what others add as entry points."""

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from operator import or_
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Tag

from distilrank.errors import ExtensionError
from distilrank.sections.base import Section

Entry_co = TypeVar("Entry_co", covariant=True)


class Table(Mapping[str, Entry_co]):
    """The package's own entries by name, then those of an entry point group, each imported when it is asked for.

    Raises ExtensionError for an entry point whose name is taken, or that cannot be imported.
    """

    def __init__(self, group: str, own: Mapping[str, Entry_co]) -> None:
        self._group, self._own = group, own
        self._added: dict[str, EntryPoint] = {}
        for point in entry_points(group=group):
            if point.name in own or point.name in self._added:
                raise _refused(point, "a name that is taken", "a name of its own", "rename the entry point")
            self._added[point.name] = point

    def __getitem__(self, name: str) -> Entry_co:
        if name in self._own:
            return self._own[name]
        point = self._added[name]
        try:
            entry: Entry_co = point.load()
        except (ImportError, AttributeError) as error:
            raise _refused(point, str(error), "what it names", "mend or uninstall its package") from error
        return entry

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._added

    def __len__(self) -> int:
        return len(self._own) + len(self._added)


def one_of(
    key: str, sections: Mapping[str, type[Section]], name_of: Callable[[str], str] = str, default: str | None = None
) -> Any:
    """The union of sections that the value of `key` tells apart; `name_of` makes a table's name of that value.

    Where the key is left out, `default` is its value.
    """

    def chosen(section: Any) -> str:
        value = section.get(key, default) if isinstance(section, Mapping) else getattr(section, key, default)
        # None would leave the error without the names that it could be.
        return name_of(value) if isinstance(value, str) else ""

    # What an error message calls it.
    chosen.__name__ = key
    tagged = [Annotated[section, Tag(name)] for name, section in sections.items()]
    return Annotated[reduce(or_, tagged), Discriminator(chosen)]


def _refused(point: EntryPoint, got: str, expected: str, remedy: str) -> ExtensionError:
    package = point.dist.name if point.dist else "an unknown package"
    return ExtensionError(
        f"entry point {point.group}: {point.name} of {package}", got=got, expected=expected, remedy=remedy
    )
