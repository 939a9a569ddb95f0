"""The command line in a process that dies at a chosen moment: ``python faulty.py MOMENT ARGUMENT ...``.

MOMENT is ``before`` or ``after``, a pattern, and a number: ``before:checkpoint_*.json:2`` sends SIGKILL to
the process when it is about to move a second file of such a name to its place.
"""

from __future__ import annotations

import os
import signal
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fpc.cli import main


def die_at(moment: str) -> None:
    when, pattern, number = moment.split(":")
    seen = 0

    def faulty(move: Any) -> Any:
        def wrapped(self: Path, target: Any) -> Any:
            nonlocal seen
            seen += fnmatch(Path(target).name, pattern)
            hit = fnmatch(Path(target).name, pattern) and seen == int(number)
            if hit and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = move(self, target)
            if hit:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    for name in ("replace", "rename"):
        setattr(Path, name, faulty(getattr(Path, name)))


if __name__ == "__main__":
    die_at(sys.argv.pop(1))
    main()
