"""Reading the next batch while the current one is learned from.

torch's ``DataLoader`` has no position that a checkpoint could hold, and its worker processes would copy every
batch; one thread is enough here, because the decoders release Python's lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)


class Source(Protocol[BatchT_co]):
    """An endless stream of batches with a position."""

    def next(self) -> BatchT_co:
        """The next batch, in memory of its own."""

    def state_dict(self) -> dict[str, Tensor]:
        """The position, in memory of its own."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from where ``state_dict`` was taken."""


class Prefetched(Generic[BatchT]):
    """A source whose next batch is read in a thread; the batches and their order are the source's.

    ``state_dict`` is the position after the batches that ``next`` has returned, not after those read ahead.
    The thread ends when the object is closed or no longer used.
    """

    def __init__(self, source: Source[BatchT]) -> None:
        """Take over ``source``, which must not be used elsewhere; nothing is read yet."""
        self._source, self._state = source, source.state_dict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._following: Future[tuple[BatchT, dict[str, Tensor]]] | None = None

    def next(self) -> BatchT:
        """The next batch; an error of the source is raised here, with its message, and by later calls."""
        if self._following is None:
            self._following = self._thread.submit(_read, self._source)
        batch, self._state = self._following.result()
        self._following = self._thread.submit(_read, self._source)
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        """The position after the latest batch of ``next``."""
        return dict(self._state)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from ``state_dict``; what was read ahead is dropped."""
        if self._following is not None:
            wait([self._following])
            self._following = None
        self._source.load_state_dict(state)
        self._state = self._source.state_dict()

    def close(self) -> None:
        """End the thread, after the batch that it may be reading; ``next`` cannot be called any more."""
        self._thread.shutdown(cancel_futures=True)


def _read(source: Source[BatchT]) -> tuple[BatchT, dict[str, Tensor]]:
    return source.next(), source.state_dict()
