"""Loads figures by name; ``fpc.figures.metadata`` lists them without importing any."""

from __future__ import annotations

import difflib
import re
from importlib import import_module
from typing import cast

from fpc.figures.interface import FigureModule
from fpc.figures.metadata import figure_names


def load_figure(name: str) -> FigureModule:
    """Import a figure's module.

    Raises:
        ValueError: there is no such figure; the message lists those there are.
    """
    if name not in figure_names():
        near = difflib.get_close_matches(name, figure_names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(sorted(figure_names(), key=paper_order))
        raise ValueError(f"no figure is called {name!r}; {hint}There are: {known}")
    return cast(FigureModule, import_module(f"fpc.figures.{name}"))


def paper_order(name: str) -> tuple[str, int, str]:
    """Sorts figures as they stand in the paper, tables last: figure_2, figure_3c, figure_10."""
    found = re.fullmatch(r"([a-z]+)_(\d+)(.*)", name)
    if found is None:
        return "~", 0, name
    kind, number, letter = found.groups()
    return kind, int(number), letter
