"""Montezuma's part of an APPO run: functions that Sample Factory's processes call by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fpc.domains.finetuning import EXPERT
from fpc.domains.montezuma.config import EnvironmentOptions, MontezumaExperiment, NetworkOptions
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.start_states import read_start_states
from fpc.learners.appo import APPOSpecification, Call
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions
from fpc.retention.expert_data import ExpertDataset


def environment_of(
    environment: dict[str, Any],
    task: Literal["game", "room"],
    starts: str | None,
    *,
    seed: int,
    index: int,
    started_at: int,
) -> MontezumaEnvironment:
    """Environment number ``index``; its episode n is seeded by (seed, index, n).

    A run resumed with new games at step ``started_at`` uses (seed, index, started_at, n).
    ``starts`` is a file of start states; those of the configured room are used.
    """
    options = EnvironmentOptions.model_validate(environment)
    stream = (seed, index, started_at) if started_at else (seed, index)
    states = [] if starts is None else starts_in(Path(starts), options.room)
    return MontezumaEnvironment(options, stream, states, task)


def starts_in(path: Path, room: int) -> list[Any]:
    """Start states in one room.

    Raises:
        ValueError: there are none.
    """
    states = read_start_states(path)
    found = [state for state in states if state.room == room]
    if not found:
        known = sorted({state.room for state in states})
        raise ValueError(
            f"{path}: no start state in room {room}, only in {known}; set environment.room to one of "
            "these, or let the expert search longer (pretrain.expert)"
        )
    return found


def network_of(network: dict[str, Any], environment: dict[str, Any], *, seed: int) -> MontezumaNetwork:
    """A network initialised from the seed."""
    options = NetworkOptions.model_validate(network)
    return MontezumaNetwork.seeded(options, EnvironmentOptions.model_validate(environment), seed)


def data_of(path: str) -> ExpertDataset:
    """The expert data of ``collect``."""
    return ExpertDataset.read(Path(path))


def specification_of(
    experiment: MontezumaExperiment,
    options: APPOOptions,
    rnd: RNDOptions,
    *,
    task: Literal["game", "room"] = "game",
    starts: Path | None = None,
    **more: Any,
) -> APPOSpecification:
    """APPO with RND on the game, or on episodes from ``starts``; ``more`` holds the remaining fields."""
    environment = experiment.environment.model_dump(mode="json")
    network = experiment.network.model_dump(mode="json")
    starts_file = None if starts is None else str(starts)
    return APPOSpecification(
        environment=Call.of(environment_of, environment=environment, task=task, starts=starts_file),
        network=Call.of(network_of, network=network, environment=environment),
        options=options,
        rnd=rnd,
        **more,
    )


def expert_of(collected: Path) -> Call:
    """The expert data in the folder of ``collect``."""
    return Call.of(data_of, path=str(collected / EXPERT))
