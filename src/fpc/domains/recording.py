"""What a domain records for a figure when it is drawn, from the weights of published runs.

Tables that ``evaluate`` leaves are read as they are. A domain's ``recorded_tables.py`` is for what no table
holds, such as the actions of an episode that a film shows. The figure publishes them in its own CSV, so
that where weights are absent (in a clone, say) they are taken from there, if they were recorded from the
same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.errors import DataError
from fpc.core.files import sha256_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN_SEED = 0  # the seed of the runs from which tables are recorded


@dataclass(frozen=True)
class Published:
    """A published run: its folder, and the sha256 of its files according to its manifest."""

    folder: Path
    digests: Mapping[str, str]

    def digest(self, name: str) -> str:
        """The sha256 of a file that the run left, here or not.

        Raises:
            DataError: the run left no such file.
        """
        if name not in self.digests:
            raise DataError(f"{self.folder}: its manifest names no {name}; make the run again")
        return self.digests[name]

    def file(self, name: str) -> Path | None:
        """The path of a file that the run left; None if it is not here.

        Raises:
            DataError: the run left no such file, or what is here is another one.
        """
        digest, path = self.digest(name), self.folder / name
        if not path.exists():
            return None
        if sha256_of(path) != digest:
            raise DataError(f"{path} is not the file that its manifest names; make it again, or fetch it")
        return path


Runs = Mapping[tuple[str, str | None], Published]
"""The runs of one seed by phase and method (None where the phase has none)."""

Recorder = Callable[[Any, "Mapping[str, pd.DataFrame]", Runs, "pd.DataFrame | None"], "pd.DataFrame"]
"""Records a table from the experiment's configuration section, the tables that the figure reads, the runs,
and the rows that the figure published earlier (every value as text; None if there are none)."""
