"""Short recorded games with their live observations, and synthetic games."""

from __future__ import annotations

import bz2
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpc.domains.nethack.config import EnvironmentOptions, SourceOptions
from fpc.domains.nethack.environment import NetHackEnvironment, make_game
from fpc.domains.nethack.frames import Frames
from fpc.domains.nethack.games import LoadedGames

MONK = EnvironmentOptions(character="mon-hum-neu-mal", max_steps=1000, no_progress_limit=150)
ALL_GAMES = SourceOptions(kind="expert", games=1000, max_steps=1000)


@dataclass
class Played:
    """Live observations and actions of one game; one row per step."""

    tty_chars: np.ndarray
    tty_colors: np.ndarray
    tty_cursor: np.ndarray
    previous_action: np.ndarray
    actions: np.ndarray


def record(
    folder: Path, seeds: Sequence[int], steps: int, character: str = MONK.character, moves: int = 8
) -> list[Played]:
    """Play random moves (of the first ``moves`` actions) and record them in ``folder``."""
    options = MONK.model_copy(update={"character": character})
    environment = NetHackEnvironment(options)
    environment.game.close()
    environment.game = make_game(options, savedir=folder)
    games = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        observation, _ = environment.reset(seed=seed)
        seen, actions, terminated, truncated = [], [], False, False
        while not (terminated or truncated) and len(actions) < steps:
            seen.append(observation)
            actions.append(int(rng.integers(moves)))
            observation, _, terminated, truncated, _ = environment.step(actions[-1])
        if not terminated:
            environment.game._quit_game(environment.game.last_observation, False)
        columns = {name: np.stack([row[name] for row in seen]) for name in seen[0]}
        games.append(Played(**columns, actions=np.array(actions)))
    environment.close()
    return games


def write_ttyrec(path: Path, steps: Sequence[tuple[int, bytes, int]]) -> None:
    """Write a ttyrec3 file from steps: (timestamp in microseconds, terminal output, key pressed)."""
    content = b""
    for time, output, key in steps:
        for channel, data in ((0, output), (2, struct.pack("<i", 7)), (1, bytes([key]))):
            content += struct.pack("<iiiB", time // 10**6, time % 10**6, len(data), channel) + data
    content += struct.pack("<iiiB", 0, 0, 4, 0) + b"\x1b[2J"  # as NLE does: output after the last key
    path.write_bytes(bz2.compress(content))


def chosen_games(lengths: Sequence[int], seed: int = 0) -> LoadedGames:
    """Games with actions 1, 2, 3, 0, 1, ... in which each screen is one of three random ones."""
    total = sum(lengths)
    ends = np.cumsum(lengths)
    begins = ends - np.array(lengths)
    actions = np.concatenate([np.arange(1, length + 1) % 4 for length in lengths])
    starts = np.zeros(total, bool)
    starts[begins] = True
    previous = np.where(starts, 0, np.roll(actions, 1)).astype(np.uint8)[:, None]
    rng = np.random.default_rng(seed)
    chars = rng.integers(97, 123, (3, 24, 80), np.uint8)[rng.integers(3, size=total)]
    chars[:, 23, :7] = np.frombuffer(b"Dlvl:1 ", np.uint8)
    cursor = np.tile(np.array([5, 5], np.uint8), (total, 1))
    colors, scores = np.full_like(chars, 7), np.zeros(total, np.int32)
    frames = Frames(chars, colors, cursor, previous, actions, starts, scores)
    games = range(len(lengths))
    return LoadedGames(
        frames,
        np.ones(total, np.uint8),
        dict(zip(games, begins.tolist(), strict=True)),
        dict(zip(games, ends.tolist(), strict=True)),
    )
