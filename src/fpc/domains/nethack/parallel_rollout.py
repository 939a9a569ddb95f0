"""Plays episodes of saved policies in one or several processes, with the same results.

How the episodes are divided among the processes changes no game, see :mod:`fpc.domains.nethack.rollout`.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Any, Self

from fpc.core.device import Device, device_name
from fpc.core.errors import DataError
from fpc.core.processes import process_pool, processes_wanted
from fpc.core.torch_settings import configure_torch
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.milestone_weights import complete_weights
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.rollout import Environments, EpisodeRecord, Planned, play_games

ROUNDS = 4  # games of a share for each place: many keep the places full, few keep all processes at work
ALIVE_SECONDS = 1.0

Found = tuple[int, EpisodeRecord]


@dataclass(frozen=True)
class Share:
    """Games of one policy that one process plays, by their number among all."""

    policy: Path
    games: Sequence[tuple[int, Planned]]


def shares_of(games: Sequence[tuple[Path, Planned]], batch: int, processes: int) -> list[Share]:
    """Divide games into shares of one policy each, for ``batch`` places in each of several processes."""
    size = max(batch, min(ROUNDS * batch, math.ceil(len(games) / processes)))
    shares = []
    for policy, group in itertools.groupby(enumerate(games), key=lambda numbered: numbered[1][0]):
        own = [(number, planned) for number, (_, planned) in group]
        count = math.ceil(len(own) / size)
        bounds = [part * len(own) // count for part in range(count + 1)]
        shares += [Share(policy, own[low:high]) for low, high in itertools.pairwise(bounds)]
    return shares


def load_policy(
    path: Path, options: NetworkOptions, device: Device = "cpu", pi_star: Path | None = None
) -> NetHackNetwork:
    """Load the network onto ``device`` from a safetensors file; tensors with unknown names are ignored.

    Args:
        path: the weights of a policy or of a milestone.
        options: sizes of the network.
        device: where the network is to be.
        pi_star: safetensors of pi*, whose weights a milestone lacks where it has not changed them.

    Raises:
        DataError: a tensor is missing or has the wrong shape; the message names the first one.
    """
    tensors = complete_weights(path, pi_star)
    network = NetHackNetwork(options)
    own = network.state_dict()
    for name, value in own.items():
        if name not in tensors:
            raise DataError(f"{path}: missing tensor {name}; regenerate the file with this configuration")
        if tensors[name].shape != value.shape:
            raise DataError(
                f"{path}: {name} has shape {tuple(tensors[name].shape)}, the configured network needs "
                f"{tuple(value.shape)}; regenerate the file with this configuration"
            )
    network.load_state_dict({name: tensors[name] for name in own})
    return network.eval().to(device)


class _Worker:
    """Plays shares in one process; keeps the latest policy and the environments."""

    def __init__(
        self,
        options: NetworkOptions,
        batch: int,
        device: Device,
        pi_star: Path | None,
        on_device: Callable[[str], None] = lambda name: None,
    ) -> None:
        configure_torch()
        self.options, self.batch, self.device, self.on_device = options, batch, device, on_device
        self.pi_star = pi_star
        self.environments = Environments()
        self.loaded: tuple[Path, NetHackNetwork] | None = None

    def play(self, share: Share, alive: Callable[[], None] = lambda: None) -> Iterator[Found]:
        if self.loaded is None or self.loaded[0] != share.policy:
            network = load_policy(share.policy, self.options, self.device, self.pi_star)
            self.loaded = (share.policy, network)
            self.on_device(device_name(self.loaded[1].device))
        return play_games(self.loaded[1], share.games, self.batch, self.environments, alive)


_worker: tuple[_Worker, Any] | None = None  # of a spawned process, with the queue of its results


def _start_worker(
    results: Any, options: NetworkOptions, batch: int, device: Device, pi_star: Path | None
) -> None:
    global _worker
    _worker = _Worker(options, batch, device, pi_star), results


def _play_in_worker(share: Share) -> None:
    assert _worker is not None
    worker, results = _worker
    for found in worker.play(share):
        results.put(found)


class Rollouts:
    """Plays episodes of saved policies in this or in several processes; use it in a ``with`` block."""

    def __init__(
        self,
        options: NetworkOptions,
        batch: int,
        processes: int | None = None,
        device: Device = "cpu",
        on_device: Callable[[str], None] = lambda name: None,
        pi_star: Path | None = None,
    ) -> None:
        """``processes`` defaults to the environment variable FPC_PROCESSES, or else 1; on a GPU it is 1.

        Each process on a GPU would hold a copy of the network and a CUDA context of its own.

        Args:
            options: of the network.
            batch: games played side by side in each process.
            processes: number of processes.
            device: where the network runs.
            on_device: called with the name of the device that it runs on.
            pi_star: safetensors of pi*, which complete those of milestones; see ``load_policy``.
        """
        self.batch = batch
        wanted = processes if processes is not None else processes_wanted()
        self.processes = wanted if device == "cpu" else 1
        self._here: _Worker | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._closing = ExitStack()
        if self.processes == 1:
            self._here = _Worker(options, batch, device, pi_star, on_device)
            self._closing.callback(self._here.environments.close)
        else:
            on_device("cpu")  # only there are several processes
            self._results: Any = multiprocessing.get_context("spawn").Queue()
            start = (self._results, options, batch, device, pi_star)
            self._pool = self._closing.enter_context(process_pool(self.processes, _start_worker, start))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(error_type, error, trace)

    def play(
        self, games: Sequence[tuple[Path, Planned]], alive: Callable[[], None] = lambda: None
    ) -> Iterator[Found]:
        """Play games, each with the policy in a safetensors file; games of one policy stand together.

        Args:
            games: policies and games, begun in about this order.
            alive: called at least every second or every step of the games, to show that they go on.

        Returns:
            Index in ``games`` and record of each game, in the order in which they end.
        """
        shares = shares_of(games, self.batch, self.processes)
        if self._pool is None:
            assert self._here is not None
            for share in shares:
                yield from self._here.play(share, alive)
            return
        futures = [self._pool.submit(_play_in_worker, share) for share in shares]
        for _ in games:
            yield self._next(futures, alive)

    def _next(self, futures: Sequence[Future[None]], alive: Callable[[], None]) -> Found:
        """The next game that ends in any process; raises the error of a process that failed."""
        while True:
            alive()
            try:
                found: Found = self._results.get(timeout=ALIVE_SECONDS)
            except Empty:
                for future in futures:
                    if future.done():
                        future.result()
            else:
                return found
