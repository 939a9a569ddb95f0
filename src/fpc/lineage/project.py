"""What lineage asks of a project: its artifacts, and of each the parents and the configuration section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fpc.lineage.artifact import Row


class Project(Protocol):
    """One results folder's run table; ``fpc.workflow.run_table.RunTable`` is one."""

    @property
    def label(self) -> str:
        """Name of its folder below the results."""
        ...

    def rows(self) -> Sequence[Row]:
        """Every artifact, parents before children."""
        ...

    def parents(self, row: Row) -> Sequence[Row]:
        """The artifacts that a row is made from."""
        ...

    def section(self, row: Row) -> Mapping[str, Any]:
        """The part of the configuration that decides what a row holds, as JSON values."""
        ...
