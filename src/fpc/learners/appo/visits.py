"""First visits to Far probes: noted where environments are stepped, read where training is logged.

Sample Factory reports on an environment only when its episode ends, and environments may run in other
processes than the learner. So an environment at a Far probe (``info[VISITED]``) leaves an empty file with the
probe's name.
"""

from __future__ import annotations

from pathlib import Path


class VisitNotes:
    """The probes that any environment of a run has been at since the run was last started.

    Notes made in the warm-up are discarded.

    Args:
        folder: of the notes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def discard(self) -> None:
        """Forget the visits so far, while environments go on.

        Nothing was learned from those in the warm-up, and a resumed run has logged those before its
        checkpoint.
        """
        for probe in self.read():
            (self.folder / probe).unlink(missing_ok=True)

    def add(self, probe: str) -> None:
        """Note a visit; microseconds if it was noted before, so it may be called at every step."""
        note = self.folder / probe
        if not note.exists():  # asked of the file, as another process may have discarded it
            self.folder.mkdir(parents=True, exist_ok=True)
            note.touch()

    def read(self) -> list[str]:
        """Names of the visited probes, sorted."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
