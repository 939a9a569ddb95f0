"""Ending a run when it is asked to: Ctrl-C, or a cluster's SIGTERM before its time limit.

Most code stops where it is: all writes are atomic, so nothing is half done. A learner defers the signal to
its next safe point, saves there, and stops.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_received: signal.Signals | None = None
_deferring = False


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop."""


def install() -> None:
    """Handle SIGINT and SIGTERM; for the main thread of a process that runs a phase."""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


def received() -> signal.Signals | None:
    """The signal that asked this process to stop."""
    return _received


@contextmanager
def deferred() -> Iterator[None]:
    """In the block the first signal is only noted; the block asks ``received``, saves and calls ``check``.

    A second signal stops at once. What was noted and not acted upon stops the run at the block's end.
    """
    global _deferring
    _deferring = True
    try:
        yield
    finally:
        _deferring = False
    check()


def check() -> None:
    """Stop if that was asked.

    Raises:
        Interrupted: a signal came.
    """
    if _received is not None:
        raise Interrupted(_received.name)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _received
    first = _received is None
    _received = signal.Signals(number)
    if _deferring and first:
        logger.warning(
            "%s: saving at the next safe point, then stopping; again to stop at once", _received.name
        )
        return
    check()
