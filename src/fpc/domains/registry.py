"""Domains by name: each is a folder of this package, or an extension, with ``domain.py`` and ``config.py``.

A ``commands.py`` adds the domain's own commands to the command line; ``derived_tables.py`` and
``recorded_tables.py`` are for its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc import extensions
from fpc.config.experiment import Experiment
from fpc.domains.interface import Domain, PiStarDomain
from fpc.domains.recording import Recorder

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "fpc.domains"


def domain_names() -> tuple[str, ...]:
    """Names of all domains, sorted."""
    return tuple(sorted([*_own_names(), *extensions.names(PACKAGE)]))


@cache
def _own_names() -> tuple[str, ...]:
    return tuple(path.parent.name for path in Path(__file__).parent.glob("*/domain.py"))


@cache
def load_domain(name: str) -> Domain[Any]:
    """The domain called ``name`` (one of ``domain_names()``)."""
    domain = import_module(f"{PACKAGE}.{name}.domain").DOMAIN
    assert isinstance(domain, Domain)
    assert domain.name == name
    return domain


def measures_pi_star(name: str) -> bool:
    """Whether the domain called ``name`` measures pi* by itself."""
    return isinstance(load_domain(name), PiStarDomain)


@cache
def experiment_type(name: str) -> type[Experiment]:
    """The type of a domain's experiments: the only ``Experiment`` of ``fpc.domains.<name>.config``."""
    module = import_module(f"{PACKAGE}.{name}.config")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Experiment) and value.__module__ == module.__name__
    )
    return found


def derived_tables(name: str) -> Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    """Functions by which a domain derives tables from a figure's plotted data, by the table's name.

    Those of ``Domain.derived_tables``, and ``DERIVED`` of its ``derived_tables.py``.
    """
    return {**load_domain(name).derived_tables(), **_found(name, "derived_tables", "DERIVED")}


def recorded_tables(name: str) -> Mapping[str, Recorder]:
    """Functions by which a domain records tables from weights: ``RECORDED`` of its ``recorded_tables.py``."""
    return _found(name, "recorded_tables", "RECORDED")


def _found(name: str, module: str, value: str) -> Mapping[str, Any]:
    """A value of a domain's module; empty if it has no such module."""
    if not has_module(name, module):
        return {}
    found: Mapping[str, Any] = getattr(import_module(f"{PACKAGE}.{name}.{module}"), value)
    return found


def has_module(name: str, module: str) -> bool:
    """Whether a domain has a module of this name."""
    own = Path(__file__).parent / name / f"{module}.py"
    return own.exists() or extensions.is_extension(f"{PACKAGE}.{name}.{module}")


def domain_commands(experiments: Callable[[str], Mapping[str, Experiment]]) -> list[Callable[..., None]]:
    """Commands that domains add to the command line: the result of ``commands`` in their ``commands.py``.

    Args:
        experiments: returns a scale's validated experiments by name.
    """
    found: list[Callable[..., None]] = []
    for name in domain_names():
        if has_module(name, "commands"):
            found += import_module(f"{PACKAGE}.{name}.commands").commands(experiments)
    return found
