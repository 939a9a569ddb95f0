"""First visits to Far probes: noted where environments are stepped, read where training is logged.

Sample Factory reports on an environment only when its episode ends, and environments may run in other
processes than the learner. So an environment at a Far probe (``info[VISITED]``) leaves an empty file with the
probe's name.
"""

from __future__ import annotations

import shutil
from pathlib import Path


class VisitNotes:
    """The probes that any environment of a run has been at since the run was last started.

    Args:
        folder: of the notes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._noted: set[str] = set()  # by this process

    def clear(self) -> None:
        """Forget all visits: a resumed run has logged those before its checkpoint, and meets others again."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, probe: str) -> None:
        """Note a visit; cheap enough to call at every step."""
        if probe in self._noted:
            return
        self._noted.add(probe)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / probe).touch()

    def read(self) -> list[str]:
        """Names of the visited probes, sorted."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
