"""What a module runs, and what it imports from its own package, wherever the import is in the module."""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# The arguments of an InputError, which are texts.
_TOLD = {"got", "expected", "remedy"}


def running(file: Path) -> ast.Module:
    """A file's syntax tree without what changes no result: docstrings, texts of errors, imports for types only.

    Files of the same text share one tree.
    """
    return _running(file.read_text("utf-8"))


@cache
def _running(text: str) -> ast.Module:
    tree: ast.Module = _Running().visit(ast.parse(text))
    return tree


def imported_names(tree: ast.AST) -> Iterator[str]:
    """The names of imported modules, and of what is imported from them, which may be modules too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports name their module in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_files(tree: ast.AST, package: Path = PACKAGE) -> set[Path]:
    """The files of the package that a tree imports, with the __init__.py of each folder on the way."""
    return files_named(imported_names(tree), package)


def files_named(names: Iterable[str], package: Path) -> set[Path]:
    """The files of the package with these names, with the __init__.py of each folder on the way."""
    found = set()
    for name in names:
        top, *parts = name.split(".")
        if top == package.name:
            folders = [package.joinpath(*parts[:depth]) / "__init__.py" for depth in range(len(parts) + 1)]
            found |= {*folders, package.joinpath(*parts).with_suffix(".py")}
    return {file for file in found if file.is_file()}


def reached_from(
    start: Collection[Path], imports: Callable[[Path], set[Path]], without: Collection[Path] = ()
) -> set[Path]:
    """These files and all that they import, directly or not. Those in `without` are left out, with what only they
    import."""
    reached: set[Path] = set()
    waiting = set(start)
    while waiting:
        reached |= waiting
        waiting = {found for file in waiting for found in imports(file)} - reached - set(without)
    return reached


class _Running(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        wordless: ast.AST = _Wordless().visit(node)
        return wordless

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        told: ast.AST = _Wordless().visit(node) if node.arg in _TOLD else self.generic_visit(node)
        return told


class _Wordless(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Constant:
        return ast.Constant("")
