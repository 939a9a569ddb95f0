"""The modules that decide an artifact: all that its entry points import, as the source says.

Imports count wherever they stand, also inside functions; those under ``TYPE_CHECKING`` do not. So does a
module's name in a string (``"fpc.domains.x.training:network_of"``), by which worker processes find
functions. Modules above the line of provenance are neither named nor followed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fpc.lineage.artifact import RUN_PHASES

VERBS = (*RUN_PHASES, "derived_tables")  # of a domain: each makes an artifact of its own
IN_TEXT = re.compile(r"fpc(?:\.\w+)+(?::\w+)?")


@dataclass(frozen=True)
class Closure:
    """What entry points import: modules by path below ``src/``, and packages of others by name."""

    modules: frozenset[str]
    packages: frozenset[str]


def closure(entries: Iterable[str], source: Path, decides: Callable[[str], bool]) -> Closure:
    """All that is reached from some entry points.

    Args:
        entries: names of modules; ``package.*`` is every module of a package; ``module:verb`` leaves out what
            the methods of other phases import.
        source: the folder of the package ``fpc``.
        decides: whether a module, by its path below ``source``, is below the line.
    """
    found: set[str] = set()
    packages: set[str] = set()
    waiting = [(path, verb) for name, verb in _spelt_out(entries, source) for path in _files(name, source)]
    entered: set[tuple[str, str]] = set()
    while waiting:
        path, verb = item = waiting.pop()
        if item in entered:
            continue
        entered.add(item)
        if decides(path):
            found.add(path)
        for name in _imports(path, source, verb):
            reached = [file for file in _files(name, source) if decides(file)]
            waiting += [(file, "") for file in reached if file not in found]
            if not name.startswith("fpc.") and name != "fpc":
                packages.add(name.partition(".")[0])
    return Closure(frozenset(found), frozenset(packages))


def _spelt_out(entries: Iterable[str], source: Path) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, _, verb = entry.partition(":")
        if name.endswith(".*"):
            folder = source.joinpath(*name.split(".")[:-1])
            yield from ((f"{name[:-1]}{file.stem}", "") for file in sorted(folder.glob("*.py")))
        else:
            yield name, verb


def _files(name: str, source: Path) -> list[str]:
    """The file of a module (or of the module that holds the name) and those of the packages it is in."""
    parts = name.split(".")
    if parts[0] != "fpc":
        return []
    found = []
    for length in range(1, len(parts) + 1):
        place = "/".join(parts[:length])
        found += [file for file in (f"{place}/__init__.py", f"{place}.py") if (source / file).is_file()]
    return found


def _imports(path: str, source: Path, verb: str) -> set[str]:
    """Names that a module imports."""
    package = path.removesuffix(".py").split("/")[:-1]
    tree = ast.parse((source / path).read_text(encoding="utf-8"))
    return {name for node in _walk(tree, verb) for name in _names(node, package)}


def _walk(node: ast.AST, verb: str) -> Iterator[ast.AST]:
    """Every node, but for what only type checkers see, and methods of phases other than ``verb``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _walk(other, verb)
        elif not (verb and isinstance(child, ast.FunctionDef) and _is_other_phase(child.name, verb)):
            yield from _walk(child, verb)


def _is_other_phase(name: str, verb: str) -> bool:
    return name in VERBS and name != verb


def _names(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Names of modules that a node imports or spells; of what is imported from one, also of the part."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and IN_TEXT.fullmatch(node.value):
        yield node.value.partition(":")[0]
