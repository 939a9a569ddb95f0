"""Montezuma's part of an APPO job: functions that Sample Factory's processes call by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fpc.domains.montezuma.config import EnvironmentOptions, MontezumaExperiment, NetworkOptions
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.start_states import read_start_states
from fpc.learners.appo.job import Job
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions
from fpc.retention.expert_data import ExpertDataset

if TYPE_CHECKING:
    from fpc.workflow.run import Run

_HERE = "fpc.domains.montezuma.training"


def environment_of(
    environment: dict[str, Any],
    task: Literal["game", "room"],
    starts: str | None,
    *,
    seed: int,
    place: int,
    started_at: int,
) -> MontezumaEnvironment:
    """The environment at ``place``: its episode n is seeded by (seed, place, n).

    After ``started_at`` steps of a run that could not keep its games, by (seed, place, started_at, n).
    ``starts`` is a file of start states; those of the configured room are used.
    """
    options = EnvironmentOptions.model_validate(environment)
    stream = (seed, place, started_at) if started_at else (seed, place)
    states = [] if starts is None else starts_in(Path(starts), options.room)
    return MontezumaEnvironment(options, stream, states, task)


def starts_in(path: Path, room: int) -> list[Any]:
    """Start states of one room.

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
    """A network whose first weights follow from the seed."""
    options = NetworkOptions.model_validate(network)
    return MontezumaNetwork.seeded(options, EnvironmentOptions.model_validate(environment), seed)


def data_of(path: str) -> ExpertDataset:
    """The expert data of ``collect``."""
    return ExpertDataset.read(Path(path))


def job_of(
    experiment: MontezumaExperiment,
    appo: APPOOptions,
    rnd: RNDOptions,
    run: Run,
    *,
    steps: int,
    state: Path,
    task: Literal["game", "room"] = "game",
    starts: Path | None = None,
    **more: Any,
) -> Job:
    """A training job; ``more`` are further fields."""
    environment = experiment.environment.model_dump(mode="json")
    return Job(
        environment=f"{_HERE}:environment_of",
        environment_arguments={
            "environment": environment,
            "task": task,
            "starts": None if starts is None else str(starts),
        },
        network=f"{_HERE}:network_of",
        network_arguments={
            "network": experiment.network.model_dump(mode="json"),
            "environment": environment,
        },
        appo=appo.model_dump(mode="json"),
        rnd=rnd.model_dump(mode="json"),
        seed=run.seed,
        steps=steps,
        trainable="all",
        state=str(state),
        checkpoint_seconds=run.checkpoint_seconds,
        **more,
    )


def expert_of(run: Run) -> dict[str, Any]:
    """Fields of a job that learns from the expert data."""
    path = run.parents["collect"] / "expert.safetensors"
    return {"expert": f"{_HERE}:data_of", "expert_arguments": {"path": str(path)}}
