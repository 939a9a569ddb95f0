"""Worker processes that never outlive the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import wait
from typing import Any

from fpc.core.errors import ConfigError
from fpc.core.interruption import SIGNALS

PROCESSES = "FPC_PROCESSES"  # does not affect results, so it is not in the configuration


def processes_wanted(otherwise: int = 1) -> int:
    """How many processes a run may use: environment variable FPC_PROCESSES, which a job sets to its cores.

    Args:
        otherwise: the number if the variable is not set.

    Raises:
        ConfigError: the value is not a positive integer.
    """
    text = os.environ.get(PROCESSES, str(otherwise))
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{PROCESSES} must be an integer of at least 1, not {text!r}")
    return int(text)


def usable_cores() -> int:
    """Cores that this process may use: those of its cluster job, where the cluster binds jobs to cores."""
    return len(os.sched_getaffinity(0))


@cache
def end_with_parent() -> None:
    """Make a spawned process exit with its parent and leave signals to it; does nothing in any other process.

    An orphan would keep writing. Ctrl-C and a cluster's SIGTERM are sent to all processes of a job.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def process_pool(
    count: int, start: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` spawned processes, each initialised by ``start(*arguments)``.

    If the block raises, all of them are killed immediately.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (start, arguments))
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    end_with_parent()
    if start is not None:
        start(*arguments)
