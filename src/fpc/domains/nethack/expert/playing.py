"""Plays games with the symbolic player and records them (ttyrec3) so that ``nle.dataset`` can read them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from nle.env.base import NLE

from fpc.core.files import fsync_folder, read_json, write_json
from fpc.core.processes import process_pool
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import begin_game, make_game
from fpc.domains.nethack.expert.player import Player
from fpc.domains.nethack.metrics import GameMetrics

RECORD: Final = "record.json"
_INTERNAL: Final = ("program_state", "internal")  # NLE always observes these two, last

Ending = Literal["death", "gave_up", "no_progress", "max_steps"]
Report = Callable[[int, int], None]
"""Called with the number of completed games and their total number."""


@dataclass(frozen=True)
class GameRecord:
    """One game of the player."""

    seed: int
    steps: int
    ending: Ending
    metrics: dict[str, float]  # the eight of fpc.domains.nethack.metrics
    actions: np.ndarray  # uint8 [steps]
    level_entries: dict[int, int]  # depth -> number of actions before it was first reached
    trajectory: list[tuple[int, int]]  # (turn, maximum depth) at each change and at the last turn

    def as_json(self) -> dict[str, Any]:
        """The record as JSON, with actions as hexadecimal digits."""
        return {
            "seed": self.seed,
            "steps": self.steps,
            "ending": self.ending,
            "metrics": self.metrics,
            "level_entries": {str(depth): steps for depth, steps in self.level_entries.items()},
            "trajectory": [list(point) for point in self.trajectory],
            "actions": self.actions.tobytes().hex(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GameRecord:
        """The record from ``as_json``."""
        return cls(
            seed=value["seed"],
            steps=value["steps"],
            ending=value["ending"],
            metrics=value["metrics"],
            actions=np.frombuffer(bytes.fromhex(value["actions"]), dtype=np.uint8),
            level_entries={int(depth): steps for depth, steps in value["level_entries"].items()},
            trajectory=[(turn, depth) for turn, depth in value["trajectory"]],
        )


def play_game(
    environment: EnvironmentOptions, player: Player, seed: int, max_steps: int, game: NLE | None = None
) -> GameRecord:
    """Play the game of ``seed`` until death, a step limit, lack of progress, or until the player gives up.

    Args:
        environment: the task; its limits on steps and on steps without progress apply as well.
        player: is reset first.
        seed: as for ``environment.begin_game``.
        max_steps: maximum number of actions.
        game: from ``make_game`` with the player's observation keys; by default, one is created and closed.
    """
    if game is None:
        game = make_game(environment, observation_keys=player.observation_keys)
        try:
            return play_game(environment, player, seed, max_steps, game)
        finally:
            game.close()
    observation = begin_game(game, seed)
    player.reset(seed)
    internal = game.last_observation[-1]
    metrics = GameMetrics(observation["blstats"], internal, observation["glyphs"])
    actions = bytearray()
    entries: dict[int, int] = {}
    trajectory = [(metrics.turns, metrics.depth)]
    idle_steps, limit = 0, min(max_steps, environment.max_steps)
    ending: Ending = "max_steps"
    while len(actions) < limit:
        action = player.act(observation)
        if player.gave_up:
            ending = "gave_up"
            break
        depth, turn = metrics.depth, metrics.turns
        observation, _, done, _, _ = game.step(action)
        actions.append(action)
        if done:
            ending = "death"
            break
        metrics.update(observation["blstats"], internal, observation["glyphs"], observation["message"])
        idle_steps = idle_steps + 1 if metrics.turns == turn else 0
        if metrics.depth > depth:
            entries.update(dict.fromkeys(range(depth + 1, metrics.depth + 1), len(actions)))
            trajectory.append((metrics.turns, metrics.depth))
        if idle_steps >= environment.no_progress_limit:
            ending = "no_progress"
            break
    if trajectory[-1][0] < metrics.turns:
        trajectory.append((metrics.turns, metrics.depth))
    taken = np.frombuffer(bytes(actions), dtype=np.uint8)
    return GameRecord(seed, len(actions), ending, metrics.as_dict(), taken, entries, trajectory)


def play_games(
    environment: EnvironmentOptions,
    seeds: Sequence[int],
    max_steps: int,
    folder: Path | None,
    processes: int,
    report: Report | None = None,
) -> list[GameRecord]:
    """Play the games of ``seeds``; returns records in the order of the seeds.

    The result does not depend on the number of processes. With a ``folder``, each game is recorded in
    ``folder/<seed>/`` (NLE's xlogfile and ttyrec3, and ``record.json``); a game already recorded there with
    the same options is not played again. The recording of a game stopped early ends with the keys for
    quitting (meta-q, y), which are not the player's.

    Raises:
        ValueError: a seed is given twice.
    """
    if len(set(seeds)) != len(seeds):
        raise ValueError("seeds: every game needs a different seed, but some are given twice")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    play = partial(_recorded_game, environment, max_steps, folder)
    records: list[GameRecord] = []

    def collect(record: GameRecord) -> None:
        records.append(record)
        if report is not None:
            report(len(records), len(seeds))

    if processes == 1:
        for seed in seeds:
            collect(play(seed))
    else:
        with process_pool(processes) as pool:
            for record in pool.map(play, seeds):
                collect(record)
    return records


def _recorded_game(
    environment: EnvironmentOptions, max_steps: int, folder: Path | None, seed: int
) -> GameRecord:
    if folder is None:
        return play_game(environment, Player(), seed, max_steps)
    options = {"environment": environment.model_dump(mode="json"), "max_steps": max_steps}
    final, partial_folder = folder / f"{seed:06d}", folder / f".{seed:06d}.part"
    if (final / RECORD).exists():
        stored = read_json(final / RECORD)
        if stored["options"] == options:
            return GameRecord.from_json(stored)
        shutil.rmtree(final)
    shutil.rmtree(partial_folder, ignore_errors=True)
    player = Player()
    game = make_game(environment, savedir=partial_folder, observation_keys=player.observation_keys)
    try:
        record = play_game(environment, player, seed, max_steps, game)
        if record.ending != "death":
            _quit(game)
    finally:
        game.close()
    write_json(partial_folder / RECORD, {"options": options, **record.as_json()})
    partial_folder.rename(final)
    fsync_folder(folder)
    return record


def _quit(game: NLE) -> None:
    """End the game as NLE does at its step limit, so that it is listed in the xlogfile."""
    game._quit_game(game.last_observation, False)
