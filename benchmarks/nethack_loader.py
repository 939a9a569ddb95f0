"""Steps per second of GameStreams and TtyrecDataset on the same recordings: interleaved rounds, medians.

Prints a markdown table; ``--output`` writes the numbers as JSON. The recorded games are played first, with
random moves. Ours also converts keys to actions and skips the keys that NLE pressed itself; those frames are
not counted. CPU time is measured, which other processes disturb little.

A second table shows how long a learner waits for a batch that it needs ``LEARNING`` times as long for as
GameStreams does: a GPU's learner, which leaves the CPU to others meanwhile. That is wall-clock time.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from nle.dataset import TtyrecDataset

from fpc.core.files import write_json
from fpc.core.prefetch import Prefetched
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import begin_game, make_game
from fpc.domains.nethack.games import GameStreams, load_all
from fpc.domains.nethack.recordings import Recordings, index_recordings

MONK = EnvironmentOptions(character="mon-hum-neu-mal", max_steps=10**6, no_progress_limit=10**6)
LENGTH, STREAMS = 32, (8, 32, 128)
LEARNING = 1.5


def record(folder: Path, games: int, steps: int) -> None:
    """Record games of random moves that quit after ``steps``."""
    game = make_game(MONK, savedir=folder)
    for seed in range(games):
        begin_game(game, seed)
        rng, done = np.random.default_rng(seed), False
        for action in rng.integers(16, size=steps).tolist():
            _, _, done, *_ = game.step(action)
            if done:
                break
        if not done:
            game._quit_game(game.last_observation, False)
    game.close()


def time_batches(next_batch: Callable[[], object], batches: int, steps: int) -> float:
    """Steps per CPU second over ``batches`` batches of ``steps`` steps."""
    start = time.process_time()
    for _ in range(batches):
        next_batch()
    return batches * steps / (time.process_time() - start)


def measure(folder: Path, streams: int, rounds: int, batches: int) -> dict[str, float]:
    """Median speeds of both, and of ours with the games in memory."""
    database = folder / "index" / "games.db"
    recordings = index_recordings(folder / "recordings", database)
    plain = TtyrecDataset(
        ".", batch_size=streams, seq_length=LENGTH, dbfilename=str(database), loop_forever=True
    )
    iterator = iter(plain)
    sides: dict[str, Callable[[], object]] = {
        "plain": lambda: next(iterator),
        "ours": GameStreams(recordings, streams, LENGTH, 0).next,
        "memory": GameStreams(load_all(recordings, 10**6), streams, LENGTH, 0).next,
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, next_batch in sides.items():
            found[name].append(time_batches(next_batch, batches, streams * LENGTH))
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {"streams": streams, **medians, "ratio": medians["ours"] / medians["plain"]}


def waiting(recordings: Recordings, streams: int, batches: int) -> dict[str, float]:
    """Milliseconds that a learner waits for each batch: read by itself, and read ahead."""
    plain = GameStreams(recordings, streams, LENGTH, 0)
    plain.next()
    begin = time.perf_counter()
    for _ in range(batches):
        plain.next()
    alone = (time.perf_counter() - begin) / batches
    with contextlib.closing(Prefetched(GameStreams(recordings, streams, LENGTH, 0))) as ahead:
        ahead.next()
        waited = 0.0
        for _ in range(batches):
            time.sleep(LEARNING * alone)
            begin = time.perf_counter()
            ahead.next()
            waited += time.perf_counter() - begin
    return {"streams": streams, "alone_ms": 1e3 * alone, "ahead_ms": 1e3 * waited / batches}


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20_000, help="approximate steps per round and side")
    parser.add_argument("--games", type=int, default=130)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder / "recordings" / "games", arguments.games, 1000)
        rows = [
            measure(folder, streams, arguments.rounds, max(2, arguments.steps // (streams * LENGTH)))
            for streams in STREAMS
        ]
        recordings = index_recordings(folder / "recordings", folder / "index" / "waiting.db")
        waits = [
            waiting(recordings, streams, max(4, arguments.steps // streams // LENGTH)) for streams in STREAMS
        ]
    print("| streams | GameStreams steps/s | TtyrecDataset steps/s | ratio | in memory steps/s |")
    print("|---|---|---|---|---|")
    for row in rows:
        numbers = f"{row['ours']:.0f} | {row['plain']:.0f} | {row['ratio']:.2f} | {row['memory']:.0f}"
        print(f"| {row['streams']:.0f} | {numbers} |")
    print("\n| streams | wait for a batch, ms | with the next one read ahead |\n|---|---|---|")
    for row in waits:
        print(f"| {row['streams']:.0f} | {row['alone_ms']:.1f} | {row['ahead_ms']:.1f} |")
    if arguments.output is not None:
        machine = platform.processor() or platform.machine()
        found = {"machine": machine, "rounds": arguments.rounds, "rows": rows, "waiting": waits}
        write_json(arguments.output, found)


if __name__ == "__main__":
    main()
