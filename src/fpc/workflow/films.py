"""Which weights the published films show."""

from __future__ import annotations

import csv
from itertools import chain

from fpc.figures.catalogue import figure_entry
from fpc.lineage.artifact import Row
from fpc.workflow.configuration import Configuration

WEIGHTS = "weights"  # column of a film's plotted data: sha256 of the weights that moved the robot


def shown_weights(configuration: Configuration) -> frozenset[str]:
    """sha256 of each file of weights from which a published film of the scale was recorded."""
    films = [name for name in configuration.figure.names if figure_entry(name).recorded]
    tables = [Row(configuration.label, "figure", name=name).folder / f"{name}.csv" for name in films]
    return frozenset(
        chain.from_iterable(_weights(path.read_text("utf-8")) for path in tables if path.exists())
    )


def _weights(text: str) -> list[str]:
    return [row[WEIGHTS] for row in csv.DictReader(text.splitlines()) if WEIGHTS in row]
