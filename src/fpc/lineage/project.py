"""What lineage needs from a project: its artifacts, with their parents and configuration sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fpc.lineage.artifact import Row


class Project(Protocol):
    """The run table of one results folder; implemented by ``fpc.workflow.run_table.RunTable``."""

    @property
    def label(self) -> str:
        """Name of its folder in ``results/``."""
        ...

    def rows(self) -> Sequence[Row]:
        """Every artifact, parents before children."""
        ...

    def parents(self, row: Row) -> Sequence[Row]:
        """The artifacts that a row is made from."""
        ...

    def section(self, row: Row) -> Mapping[str, Any]:
        """The part of the configuration that determines a row's content, as JSON values."""
        ...

    def kept(self, row: Row, sizes: Mapping[str, int]) -> frozenset[str]:
        """Which files DVC keeps of those of a row that git does not hold (name -> bytes)."""
        ...
