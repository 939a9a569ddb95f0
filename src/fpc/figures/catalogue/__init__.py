"""The catalogue of figures: pure data, one file per domain (or extension), found by name.

Nothing here imports matplotlib, pandas or torch, because the DAG is built from it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import NamedTuple

from fpc import extensions
from fpc.core.errors import unknown
from fpc.figures.entry import Entry


class Listed(NamedTuple):
    """An entry and the domain whose file contains it."""

    domain: str
    entry: Entry


def catalogue() -> dict[str, Listed]:
    """All figures by name, in the paper's order.

    Raises:
        ValueError: two entries have the same name.
    """
    return _catalogue_with(extensions.paths())


@cache
def _catalogue_with(extended: tuple[str, ...]) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    inside = {module.name for module in iter_modules(__path__)}
    for domain in sorted(inside | set(extensions.names(__name__))):
        for entry in import_module(f"{__name__}.{domain}").FIGURES:
            if entry.name in found:
                raise ValueError(
                    f"catalogue: {entry.name} is in both {found[entry.name].domain} and {domain}; rename one"
                )
            found[entry.name] = Listed(domain, entry)
    return {name: found[name] for name in sorted(found, key=paper_order)}


def figure_names() -> tuple[str, ...]:
    """Names of all figures, in the paper's order."""
    return tuple(catalogue())


def figure_entry(name: str) -> Entry:
    """The entry of a figure.

    Raises:
        ValueError: there is no such figure; the message lists the existing ones.
    """
    return _listed(name).entry


def figure_domain(name: str) -> str:
    """The domain of a figure.

    Raises:
        ValueError: there is no such figure.
    """
    return _listed(name).domain


def paper_order(name: str) -> tuple[str, int, str]:
    """Sort key for the paper's order, with films and tables apart: figure_2, figure_3c, figure_10."""
    found = re.fullmatch(r"([a-z]+)_(\d+)(.*)", name)
    if found is None:
        return "~", 0, name
    form, number, letter = found.groups()
    return form, int(number), letter


def _listed(name: str) -> Listed:
    if name not in catalogue():
        raise ValueError(unknown("figure", name, list(catalogue())))
    return catalogue()[name]
