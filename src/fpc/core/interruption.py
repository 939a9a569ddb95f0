"""Graceful interruption: Ctrl-C, a closed terminal, or what a cluster sends before the time limit.

Most code stops immediately: all writes are atomic, so nothing is left half-written. A learner defers the
signal to its next safe point, saves a checkpoint there, and stops.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)
ASKING = (signal.SIGINT, signal.SIGTERM)  # whoever asks twice wants the run to stop immediately
# A closed terminal or lost connection, and the warnings of clusters. They may come more than once.
WARNING = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
SIGNALS = (*ASKING, *WARNING)
_received: signal.Signals | None = None
_deferring = False


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal."""


def install() -> None:
    """Handle the signals; call it in the main thread of a process that runs a phase.

    A warning that the process was started to ignore, such as SIGHUP under nohup, stays ignored.
    """
    for number in (*ASKING, *_heeded_warnings()):
        signal.signal(number, _on_signal)


def pass_on_warnings() -> None:
    """Have this process, which starts runs, take the warnings as SIGTERM, and so wait for them to save."""
    for number in _heeded_warnings():
        signal.signal(number, _terminate)


def received() -> signal.Signals | None:
    """The signal that this process received, or None."""
    return _received


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block the first signal is only recorded: poll ``received``, save and call ``check``.

    A second SIGINT or SIGTERM stops the run immediately. A recorded signal that was not acted upon stops it
    at the end of the outermost block.
    """
    global _deferring
    outer = _deferring
    _deferring = True
    try:
        yield
    finally:
        _deferring = outer
    if not outer:
        check()


def check() -> None:
    """Stop if a signal was received.

    Raises:
        Interrupted: a signal was received.
    """
    if _received is not None:
        raise Interrupted(_received.name)


def _heeded_warnings() -> list[signal.Signals]:
    return [number for number in WARNING if signal.getsignal(number) != signal.SIG_IGN]


def _terminate(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _received
    first = _received is None
    # When a session ends, SIGTERM may follow SIGHUP; that is no second request.
    again = number == signal.SIGINT or (number == signal.SIGTERM and _received in ASKING)
    if first or again:
        _received = signal.Signals(number)
    if _deferring and first:
        logger.warning(
            "%s: saving at the next safe point, then stopping; Ctrl-C stops immediately",
            signal.Signals(number).name,
        )
    elif again or not _deferring:
        check()
