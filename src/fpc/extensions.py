"""Retention methods and domains that lie outside this package, imported as if they were part of it.

A variant lists them (key ``extensions``): a file is a retention method, a folder is a domain. Their paths are
kept in an environment variable, so that processes started later find them too. This module says where code
is; what it finds is named in the manifests of what it made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from fpc.config.names import is_name

VARIABLE = "FPC_EXTENSIONS"
METHODS, DOMAINS = "fpc.retention", "fpc.domains"
PACKAGE = Path(__file__).resolve().parent
# pi*'s own runs are listed beside the methods'; YAML, CSV or Snakemake's --config read the others as no text.
RESERVED = ("pi_star", "true", "false", "null", "none", "nan", "na", "inf", "infinity")
# Files of a domain's folder that belong to another package, which names them after the domain.
ELSEWHERE = {"figures": "fpc.figures.catalogue", "claims": "fpc.claims"}


def paths() -> tuple[str, ...]:
    """Files and folders in use, as given: relative to the project's root."""
    return tuple(path for path in os.environ.get(VARIABLE, "").split(os.pathsep) if path)


def use(added: Iterable[str]) -> None:
    """Make these files and folders importable, here and in processes started from here.

    Args:
        added: paths relative to the project's root.

    Raises:
        ValueError: one is neither a method's file nor a domain's folder, or its name is taken.
    """
    wanted = list(dict.fromkeys([*paths(), *added]))
    _check(wanted)
    use_only(wanted)


def use_only(wanted: Sequence[str]) -> None:
    """Make these files and folders importable, and no others; they are not checked."""
    if wanted:
        os.environ[VARIABLE] = os.pathsep.join(wanted)
    else:
        os.environ.pop(VARIABLE, None)


def modules() -> Mapping[str, str]:
    """Path of each module of an extension, relative to the project's root, by the module's name."""
    return _modules(paths(), str(Path.cwd()))


def names(package: str) -> list[str]:
    """Names of modules and packages that extensions add to a package of this one."""
    found = [name.rpartition(".") for name in modules()]
    return sorted(last for above, _, last in found if above == package)


def is_extension(module: str) -> bool:
    """Whether an extension provides the module of this name."""
    return module in modules()


@cache
def _modules(extensions: Sequence[str], root: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in extensions:
        path = Path(text)
        if path.suffix == ".py":
            found[f"{METHODS}.{path.stem}"] = path.as_posix()
            continue
        package = f"{DOMAINS}.{path.name}"
        for file in sorted(Path(root, path).glob("*.py")):
            name = package if file.stem == "__init__" else f"{package}.{file.stem}"
            found[name] = (path / file.name).as_posix()
            if file.stem in ELSEWHERE:
                found[f"{ELSEWHERE[file.stem]}.{path.name}"] = found[name]
    return found


def _check(extensions: Sequence[str]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for text in extensions:
        path = Path(text)
        if os.pathsep in text:
            raise ValueError(f"{text}: '{os.pathsep}' separates paths; rename the file or folder")
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{text} must lie in the project; copy it there and give its relative path")
        if not path.exists():
            raise ValueError(f"{text} does not exist")
        if path.suffix != ".py" and not all((path / name).is_file() for name in NEEDED):
            listed = ", ".join(NEEDED)
            raise ValueError(f"{text} is neither a method's file (*.py) nor a domain's folder with {listed}")
        if path.resolve().is_relative_to(PACKAGE):
            raise ValueError(
                f"{text} is part of the package and needs no listing; to change its options, write a variant "
                "with other `methods`"
            )
        kind, package, name = (
            ("file", METHODS, path.stem) if path.suffix == ".py" else ("folder", DOMAINS, path.name)
        )
        _check_name(text, kind, name)
        for module in _places(path, package, name):
            own = PACKAGE.joinpath(*module.split(".")[1:])
            if own.exists() or (own.with_suffix(".py").exists() and not _same(path, own.with_suffix(".py"))):
                raise ValueError(f"{text}: {module} exists already; rename the {kind}")
        if (other := seen.setdefault((package, name), text)) != text:
            raise ValueError(f"{text} and {other} have the same name; rename one")


def _check_name(text: str, kind: str, name: str) -> None:
    """Check that a name can be that of a module, of folders and of values in tables."""
    if not (name.isidentifier() and is_name(name)):
        raise ValueError(
            f"{text}: '{name}' cannot be a name here; rename the {kind}: a letter (a to z) first, then "
            "letters, digits and _, at most 64 in all"
        )
    if name.lower() in RESERVED:
        raise ValueError(f"{text}: '{name}' means something else in results; rename the {kind}")


def _same(path: Path, own: Path) -> bool:
    """Whether a method's file has been copied into the package as it is; then the package's is imported."""
    return path.suffix == ".py" and path.read_bytes() == own.read_bytes()


def _places(path: Path, package: str, name: str) -> list[str]:
    """The modules that an extension would be imported as, besides those inside its own package."""
    others = [elsewhere for stem, elsewhere in ELSEWHERE.items() if (path / f"{stem}.py").is_file()]
    return [f"{above}.{name}" for above in [package, *others]]


NEEDED = ("__init__.py", "config.py", "domain.py")


class _Finder(MetaPathFinder):
    """Finds modules of extensions; Python asks it only about what the package itself lacks."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = modules().get(fullname) if fullname.startswith("fpc.") else None
        if file is None:
            return None
        found = Path(file).resolve()
        inside = [str(found.parent)] if found.name == "__init__.py" else None
        return spec_from_file_location(fullname, found, submodule_search_locations=inside)


def install() -> None:
    """Have Python's import look for extensions; called once, when the package is imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
