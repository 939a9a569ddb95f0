"""What a figure says of itself, read without importing it (and without importing matplotlib)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FigureMetadata:
    """The constants at the top of a figure's module."""

    title: str
    experiments: tuple[str, ...]
    methods: tuple[str, ...] | None  # None: all of the experiment's
    tables: tuple[str, ...]


@cache
def figure_names() -> tuple[str, ...]:
    """Names of all figures: the modules ``figure_*``, ``table_*`` and ``film_*`` of this package."""
    folder, kinds = Path(__file__).parent, ("figure", "table", "film")
    return tuple(sorted(path.stem for kind in kinds for path in folder.glob(f"{kind}_[0-9]*.py")))


@cache
def figure_metadata(name: str) -> FigureMetadata:
    """TITLE, EXPERIMENTS, METHODS and TABLES of a figure's module; they must be literals."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    constants: dict[str, Any] = {}
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if (
                value is not None
                and isinstance(target, ast.Name)
                and target.id in ("TITLE", "EXPERIMENTS", "METHODS", "TABLES")
            ):
                constants[target.id] = ast.literal_eval(value)
    return FigureMetadata(
        constants["TITLE"], constants["EXPERIMENTS"], constants["METHODS"], constants["TABLES"]
    )
