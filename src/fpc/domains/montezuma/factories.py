"""Montezuma's part of an APPO run: functions that Sample Factory's processes call by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from fpc.core.errors import ConfigError
from fpc.domains.finetuning import EXPERT
from fpc.domains.montezuma.config import EnvironmentOptions, MontezumaExperiment, NetworkOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.expert_frames import read_expert
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.start_states import StartState, read_start_states, rooms_on_the_way
from fpc.learners.appo import APPOSpecification, Call
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions
from fpc.retention.expert_data import ExpertDataset

GAME_STARTS = "game_starts.json"  # where fine-tuned games begin, if not at the game's own start


def environment_of(
    environment: dict[str, Any],
    task: Literal["game", "room"],
    starts: str | None,
    room: int | None = None,
    *,
    stream: Sequence[int],
) -> MontezumaEnvironment:
    """An environment whose episode n is seeded by (*stream, n).

    ``starts`` is a file of start states; those in ``room`` (by default where Far begins) are used.
    """
    options = EnvironmentOptions.model_validate(environment)
    states = [] if starts is None else starts_in(Path(starts), room or options.room)
    return MontezumaEnvironment(options, stream, states, task)


def starts_in(path: Path, room: int) -> list[StartState]:
    """Start states in one room.

    Raises:
        ConfigError: there are none.
    """
    states = read_start_states(path)
    found = [state for state in states if state.room == room]
    if not found:
        known = sorted({state.room for state in states})
        raise ConfigError(
            f"{path}: no start state in room {room}, only in {known}; set environment.room to one of "
            "these, or let the expert search longer (pretrain.expert)"
        )
    return found


def measured_starts(path: Path, options: EnvironmentOptions) -> list[StartState]:
    """Start states of the attempts that are measured: those in ``room``, or of these the entries.

    Raises:
        ConfigError: there are none.
    """
    states = starts_in(path, options.room)
    if options.measure_from == "all":
        return states
    emulator = Emulator(options.frame_skip)
    found = [state for state in states if rooms_on_the_way(emulator, state)[-2:-1] != [options.room]]
    if not found:
        raise ConfigError(
            f"{path}: no start state in room {options.room} is its entry; set environment.measure_from: all, "
            "or let the expert search longer (pretrain.expert)"
        )
    return found


def game_starts_in(
    path: Path, options: EnvironmentOptions, fractions: Sequence[float] = (0.0,)
) -> list[StartState]:
    """Where fine-tuned games begin: in the last stay in ``start_room`` before Far.

    A trajectory that has been in Far before does not count, as Far would then be close by (the way back leads
    into the room as well).

    Args:
        path: the expert's start states.
        options: of the environment.
        fractions: where in each stay; 0 is the entry.

    Raises:
        ConfigError: there are none, or a replay leads elsewhere.
    """
    assert options.start_room is not None  # asked by the caller
    emulator = Emulator(options.frame_skip)
    found: dict[tuple[int, ...], StartState] = {}
    for state in starts_in(path, options.room):
        stay = _last_stay(rooms_on_the_way(emulator, state), options.start_room, options.room)
        if stay is None:
            continue
        for fraction in fractions:
            actions = state.actions[: stay[0] + int(fraction * (stay[1] - stay[0]))]
            if actions not in found:
                found[actions] = _state_after(emulator, options.start_room, state.seed, actions)
    if not found:
        raise ConfigError(
            f"{path}: no trajectory enters room {options.start_room} and then room {options.room} for the "
            "first time; set environment.start_room to a room before it, or let the expert search longer "
            "(pretrain.expert)"
        )
    return [*found.values()]


def _last_stay(rooms: Sequence[int], room: int, far: int) -> tuple[int, int] | None:
    """Actions before the last entry of ``room`` and before its exit; None if ``far`` was entered before.

    ``rooms`` are those before and after each action; the last is ``far``.
    """
    changes = [number for number, (before, after) in enumerate(pairwise(rooms), start=1) if before != after]
    entries = [number for number in changes if rooms[number] == room]
    if not entries or far in rooms[: entries[-1]]:
        return None
    return entries[-1], min(number for number in changes if number > entries[-1])


def _state_after(emulator: Emulator, room: int, seed: int, actions: tuple[int, ...]) -> StartState:
    emulator.reset()
    for action in actions:
        emulator.step(action)
    return StartState(room, seed, actions, emulator.digest())


def network_of(network: dict[str, Any], environment: dict[str, Any], *, seed: int) -> MontezumaNetwork:
    """A network initialised from the seed."""
    options = NetworkOptions.model_validate(network)
    return MontezumaNetwork.seeded(options, EnvironmentOptions.model_validate(environment), seed)


def data_of(path: str) -> ExpertDataset:
    """The expert data of ``collect``."""
    return ExpertDataset(read_expert(Path(path)))


def specification_of(
    experiment: MontezumaExperiment,
    options: APPOOptions,
    rnd: RNDOptions,
    *,
    task: Literal["game", "room"] = "game",
    starts: Path | None = None,
    room: int | None = None,
    **more: Any,
) -> APPOSpecification:
    """APPO with RND on the game, or on episodes from ``starts`` in ``room`` (by default where Far begins).

    ``more`` holds the remaining fields.
    """
    environment = experiment.environment.model_dump(mode="json")
    network = experiment.network.model_dump(mode="json")
    starts_file = None if starts is None else str(starts)
    return APPOSpecification(
        environment=Call.of(
            environment_of, environment=environment, task=task, starts=starts_file, room=room
        ),
        network=Call.of(network_of, network=network, environment=environment),
        options=options,
        rnd=rnd,
        **more,
    )


def games_of(experiment: MontezumaExperiment, parents: Mapping[str, Path]) -> dict[str, Any]:
    """The fields of ``specification_of`` that say where fine-tuned games begin."""
    room = experiment.environment.start_room
    return {} if room is None else {"starts": parents["collect"] / GAME_STARTS, "room": room}


def expert_of(collected: Path) -> Call:
    """The expert data in the folder of ``collect``."""
    return Call.of(data_of, path=str(collected / EXPERT))
