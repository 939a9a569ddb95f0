"""The modules that determine an artifact: everything its entry points import, read from the source.

Imports inside functions count; those under ``TYPE_CHECKING`` do not. A module's name in a string counts too
(``"fpc.domains.x.training:network_of"``), because worker processes import functions that way. Modules above
the line of provenance are neither named nor followed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fpc import extensions
from fpc.lineage.artifact import RUN_PHASES

# Methods of a domain that each make a different kind of artifact.
DOMAIN_METHODS = (*RUN_PHASES, "evaluate_pi_star", "derived_tables")
TEMPLATES = "templates"
IN_TEXT = re.compile(r"fpc(?:\.\w+)+(?::\w+)?")


@dataclass(frozen=True)
class Closure:
    """What entry points import: own modules and templates by path below ``src/``, packages by name."""

    modules: frozenset[str]
    packages: frozenset[str]


def closure(entries: Iterable[str], source: Path, decides: Callable[[str], bool]) -> Closure:
    """Everything that is reachable from these entry points.

    Args:
        entries: names of modules; ``package.*`` means every module of a package; ``module:method`` leaves out
            what the domain's methods for other phases import.
        source: the folder that contains the package ``fpc``.
        decides: whether a module, by its path below ``source``, is below the line of provenance.
    """
    found: set[str] = set()
    packages: set[str] = set()
    waiting = [(path, method) for name, method in _expanded(entries, source) for path in _files(name, source)]
    entered: set[tuple[str, str]] = set()
    while waiting:
        path, method = item = waiting.pop()
        if item in entered:
            continue
        entered.add(item)
        if decides(path):
            found.add(path)
        for name in _imports(path, source, method):
            reached = [file for file in _files(name, source) if decides(file)]
            waiting += [(file, "") for file in reached if file not in found]
            if not name.startswith("fpc.") and name != "fpc":
                packages.add(name.partition(".")[0])
    return Closure(frozenset(found | _templates(found, source)), frozenset(packages))


def _templates(modules: Iterable[str], source: Path) -> set[str]:
    """The files from which modules make pages: those in the folder ``templates`` beside one."""
    folders = {source / Path(module).parent / TEMPLATES for module in modules}
    files = [file for folder in folders for file in folder.glob("*")]
    return {file.relative_to(source).as_posix() for file in files}


def _expanded(entries: Iterable[str], source: Path) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, _, method = entry.partition(":")
        if name.endswith(".*"):
            folder = source.joinpath(*name.split(".")[:-1])
            yield from ((f"{name[:-1]}{file.stem}", "") for file in sorted(folder.glob("*.py")))
        else:
            yield name, method


def _files(name: str, source: Path) -> list[str]:
    """The file of a module (or of the module that defines a name) and those of its parent packages."""
    parts = name.split(".")
    if parts[0] != "fpc":
        return []
    found = []
    for length in range(1, len(parts) + 1):
        stem = "/".join(parts[:length])
        found += [file for file in (f"{stem}/__init__.py", f"{stem}.py") if (source / file).is_file()]
        if (file := extensions.modules().get(".".join(parts[:length]))) is not None:
            found.append(file)
    return found


def _imports(path: str, source: Path, method: str) -> set[str]:
    """Names that a module imports."""
    extended = next((name for name, file in extensions.modules().items() if file == path), None)
    stem = path.removesuffix(".py").split("/") if extended is None else extended.split(".")
    package = stem if extended is not None and path.endswith("/__init__.py") else stem[:-1]
    file = source / path if extended is None else Path(path)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {name for node in _walk(tree, method) for name in _names(node, package)}


def _walk(node: ast.AST, method: str) -> Iterator[ast.AST]:
    """Every node except code for type checkers only and domain methods other than ``method``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _walk(other, method)
        elif not (method and isinstance(child, ast.FunctionDef) and _is_other_phase(child.name, method)):
            yield from _walk(child, method)


def _is_other_phase(name: str, method: str) -> bool:
    return name in DOMAIN_METHODS and name != method


def _names(node: ast.AST, package: list[str]) -> Iterator[str]:
    """Names that a node imports or mentions in a string; ``from x import y`` gives ``x.y``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and IN_TEXT.fullmatch(node.value):
        yield node.value.partition(":")[0]
