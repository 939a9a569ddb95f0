"""The command line in a process that is killed at a chosen moment: ``python faulty.py MOMENT ARGUMENT ...``.

MOMENT is ``before`` or ``after``, a pattern, and a number: ``before:checkpoint_*.json:2`` sends SIGKILL to
the process when it is about to move the second matching file into place. Progress reports do not count,
because they depend on the clock; nor does the cache of digests, which is written only where it lacks some.
With MOMENT ``count`` the process survives and prints the number of moves.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from fpc.cli.main import main
from fpc.lineage.digests import CACHE

UNCOUNTED = ("progress.json", CACHE.name)


def die_at(moment: str) -> None:
    when, pattern, number = ("never", "*", "0") if moment == "count" else moment.split(":")
    seen = 0
    if when == "never":
        atexit.register(lambda: print(f"moved {seen} files", file=sys.stderr))

    def faulty(move: Any) -> Any:
        def wrapped(self: Path, target: Any) -> Any:
            nonlocal seen
            name = Path(target).name
            counts = fnmatch(name, pattern) and name not in UNCOUNTED
            seen += counts
            hit = counts and seen == int(number)
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
