"""A figure's files: stamped images with embedded provenance, and the plotted data as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from fpc.core.errors import unknown
from fpc.core.files import write_bytes
from fpc.figures import style
from fpc.figures.drawing import DrawnFigure
from fpc.figures.embedded import SOURCE, content_digest, source_of
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings

Derive = Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]


def stamp(label: str, entry: Entry, episodes: pd.DataFrame, unequal_budgets: Iterable[str]) -> str:
    """Scale, seeds and steps, with the reasons for unequal budgets.

    Args:
        label: name of the results.
        entry: the figure's.
        episodes: the episodes that the figure reads.
        unequal_budgets: one reason per experiment with unequal budgets.
    """
    seeds = episodes["seed"].nunique()
    parts = [label, f"{seeds} seed{'s' * (seeds > 1)}", f"{episodes['step'].max():,} {entry.steps}"]
    return " | ".join([*parts, *(f"unequal budgets: {reason}" for reason in unequal_budgets)])


def derived_tables(entry: Entry, data: pd.DataFrame, known: Derive) -> dict[str, pd.DataFrame]:
    """Derive the tables in ``entry.derived`` from the plotted data.

    Raises:
        ValueError: the figure's domain does not derive such a table.
    """
    for table in entry.derived:
        if table not in known:
            raise ValueError(f"{entry.name}: {unknown('derived table', table, known)}")
    return {table: known[table](data) for table in entry.derived}


def publish(
    figure: DrawnFigure,
    tables: Mapping[str, pd.DataFrame],
    settings: FigureSettings,
    *,
    command: str,
    identifier: str,
    derive: Derive,
    folder: Path,
) -> None:
    """Write ``<name>.svg``, ``.png``, ``.csv`` and, for an animated figure, ``.gif`` to ``folder``.

    Args:
        figure: the drawn figure with its catalogue entry.
        tables: name -> table of all experiments that the figure reads.
        settings: statistics and stamp.
        command: the command that redraws it, embedded in every file.
        identifier: digest of its configuration section.
        derive: name -> function by which its domain derives that table.
        folder: destination of the files.
    """
    name = figure.entry.name
    data = figure.data(tables, settings)
    published = data.assign(scale=settings.scale)
    digest = content_digest(published)
    metadata = {
        "Title": figure.entry.title,
        "Source": command,
        "Content": digest,
        "Identifier": identifier,
        "Stamp": settings.stamp,
    }
    published[SOURCE] = source_of(command, digest)
    derived = derived_tables(figure.entry, data, derive)
    style.save(figure.draw(data, settings, **derived), published, folder, name, metadata)
    film = figure.animate(data, **derived)
    if film is not None:
        write_bytes(folder / f"{name}.gif", film)
