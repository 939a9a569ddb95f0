"""Graceful interruption: Ctrl-C, or the SIGTERM that a cluster sends before the time limit.

Most code stops immediately: all writes are atomic, so nothing is left half-written. A learner defers the
signal to its next safe point, saves a checkpoint there, and stops.
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
    """The run was stopped by a signal."""


def install() -> None:
    """Handle SIGINT and SIGTERM; call it in the main thread of a process that runs a phase."""
    for number in SIGNALS:
        signal.signal(number, _on_signal)


def received() -> signal.Signals | None:
    """The signal that this process received, or None."""
    return _received


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block the first signal is only recorded: poll ``received``, save and call ``check``.

    A second signal stops the run immediately. A recorded signal that was not acted upon stops it at the end
    of the block.
    """
    global _deferring
    _deferring = True
    try:
        yield
    finally:
        _deferring = False
    check()


def check() -> None:
    """Stop if a signal was received.

    Raises:
        Interrupted: a signal was received.
    """
    if _received is not None:
        raise Interrupted(_received.name)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _received
    first = _received is None
    _received = signal.Signals(number)
    if _deferring and first:
        logger.warning(
            "%s: saving at the next safe point, then stopping; repeat to stop immediately", _received.name
        )
        return
    check()
