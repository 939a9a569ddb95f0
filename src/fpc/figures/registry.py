"""Loads figures by name; ``fpc.figures.metadata`` lists them without importing any."""

from __future__ import annotations

import re
from importlib import import_module
from typing import cast

from fpc.core.errors import unknown
from fpc.figures.interface import FigureModule
from fpc.figures.metadata import figure_names


def load_figure(name: str) -> FigureModule:
    """Import a figure's module.

    Raises:
        ValueError: there is no such figure; the message lists those there are.
    """
    if name not in figure_names():
        raise ValueError(unknown("figure", name, sorted(figure_names(), key=paper_order)))
    return cast(FigureModule, import_module(f"fpc.figures.{name}"))


def paper_order(name: str) -> tuple[str, int, str]:
    """Sorts figures as they stand in the paper, films and tables apart: figure_2, figure_3c, figure_10."""
    found = re.fullmatch(r"([a-z]+)_(\d+)(.*)", name)
    if found is None:
        return "~", 0, name
    kind, number, letter = found.groups()
    return kind, int(number), letter
