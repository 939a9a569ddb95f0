"""Plays episodes of saved policies in one or several processes, with the same results.

Each batch of episodes is played by one process, and the batches do not depend on the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fpc.core.device import Device, device_name
from fpc.core.files import read_tensors
from fpc.core.processes import process_pool, processes_wanted
from fpc.core.torch_settings import configure_torch
from fpc.domains.nethack.config import EnvironmentOptions, NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.rollout import Environments, Episode, EpisodeRecord, in_batches, play


@dataclass(frozen=True)
class Request:
    """Episodes to play under the same environment options."""

    episodes: Sequence[Episode]
    environment: EnvironmentOptions


def load_policy(path: Path, options: NetworkOptions, device: Device = "cpu") -> NetHackNetwork:
    """Load the network onto ``device`` from a safetensors file; tensors with unknown names are ignored.

    Raises:
        ValueError: a tensor is missing or has the wrong shape; the message names the first one.
    """
    tensors = read_tensors(path)
    network = NetHackNetwork(options)
    own = network.state_dict()
    for name, value in own.items():
        if name not in tensors:
            raise ValueError(f"{path}: missing tensor {name}; regenerate the file with this configuration")
        if tensors[name].shape != value.shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(tensors[name].shape)}, the configured network needs "
                f"{tuple(value.shape)}; regenerate the file with this configuration"
            )
    network.load_state_dict({name: tensors[name] for name in own})
    return network.eval().to(device)


class _Worker:
    """Plays batches in one process; caches the last policy and the environments."""

    def __init__(self, options: NetworkOptions, device: Device) -> None:
        configure_torch()
        self.options, self.device = options, device
        self.environments = Environments()
        self.loaded: tuple[Path, NetHackNetwork] | None = None

    def play(self, policy: Path, request: Request) -> list[EpisodeRecord]:
        if self.loaded is None or self.loaded[0] != policy:
            self.loaded = (policy, load_policy(policy, self.options, self.device))
        episodes = request.episodes
        return play(
            self.loaded[1],
            request.environment,
            episodes,
            len(episodes),
            environments=self.environments,
        )


_worker: _Worker | None = None  # of a spawned process


def _start_worker(options: NetworkOptions, device: Device) -> None:
    global _worker
    _worker = _Worker(options, device)


def _play_in_worker(policy: Path, request: Request) -> list[EpisodeRecord]:
    assert _worker is not None
    return _worker.play(policy, request)


class Rollouts:
    """Plays episodes of saved policies in this or in several processes; use it in a ``with`` block."""

    def __init__(
        self, options: NetworkOptions, batch: int, processes: int | None = None, device: Device = "cpu"
    ) -> None:
        """``processes`` defaults to the environment variable FPC_PROCESSES, or else 1; on a GPU it is 1.

        Each process on a GPU would hold a copy of the network and a CUDA context of its own.
        """
        self.batch = batch
        wanted = processes if processes is not None else processes_wanted()
        self.processes = wanted if device == "cpu" else 1
        self._here: _Worker | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._closing = ExitStack()
        if self.processes == 1:
            self._here = _Worker(options, device)
            self._closing.callback(self._here.environments.close)
        else:
            pool = process_pool(self.processes, _start_worker, (options, device))
            self._pool = self._closing.enter_context(pool)

    @property
    def device_name(self) -> str:
        """Name of the device that the latest policy is on."""
        if self._here is None or self._here.loaded is None:
            return "cpu"
        return device_name(self._here.loaded[1].policy.weight.device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(error_type, error, trace)

    def play(
        self, policy: Path, requests: Mapping[str, Request], report: Callable[[int], None] | None = None
    ) -> dict[str, list[EpisodeRecord]]:
        """Play all episodes of all requests.

        Args:
            policy: safetensors file.
            requests: by name.
            report: called after each batch with the number of completed episodes.

        Returns:
            Records by the name of the request, in the order of its episodes.
        """
        parts = [
            (name, Request(part, request.environment))
            for name, request in requests.items()
            for part in in_batches(request.episodes, self.batch)
        ]
        found: dict[int, list[EpisodeRecord]] = {}
        for number, records in self._results(policy, [request for _, request in parts]):
            found[number] = records
            if report is not None:
                report(sum(map(len, found.values())))
        by_name: dict[str, list[EpisodeRecord]] = {name: [] for name in requests}
        for number, (name, _) in enumerate(parts):
            by_name[name] += found[number]
        return by_name

    def _results(
        self, policy: Path, requests: Sequence[Request]
    ) -> Iterable[tuple[int, list[EpisodeRecord]]]:
        """Index and records of each request, in order of completion."""
        if self._pool is None:
            assert self._here is not None
            for number, request in enumerate(requests):
                yield number, self._here.play(policy, request)
            return
        numbers: dict[Future[list[EpisodeRecord]], int] = {
            self._pool.submit(_play_in_worker, policy, request): number
            for number, request in enumerate(requests)
        }
        for future in as_completed(numbers):
            yield numbers[future], future.result()
