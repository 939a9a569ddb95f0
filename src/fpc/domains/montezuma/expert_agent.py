"""The paper's expert: an agent trained from the start of the game with APPO and RND, then played."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from fpc.core.files import read_tensors, write_table, write_tensors
from fpc.domains.finetuning import run_fields
from fpc.domains.interface import Run
from fpc.domains.montezuma.archive import (
    PROGRESS,
    Found,
    first_visits_table,
    shorter_first,
    visits_table,
)
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.passages import walk
from fpc.domains.montezuma.rollout import Episode, play
from fpc.domains.montezuma.training import specification_of
from fpc.learners.appo import APPO

_PLAY = 5501  # tells these games from others of the run's seed


def play_expert(experiment: MontezumaExperiment, run: Run) -> Found:
    """Train the agent, play its games, and note the ways into every room that it found."""
    options = experiment.pretrain.expert.ppo_rnd
    assert options is not None  # the configuration checks it
    pretrain = experiment.pretrain
    weights, table = run.state / "expert.safetensors", run.state / "expert.parquet"
    if not table.exists():
        specification = specification_of(
            experiment,
            pretrain.appo,
            pretrain.rnd,
            steps=options.steps,
            **run_fields(run, run.state / "expert"),
        )
        trained = APPO().train(specification)
        write_tensors(weights, trained.policy)
        write_table(table, trained.table)
    network = MontezumaNetwork(experiment.network, experiment.environment)
    network.load_state_dict(read_tensors(weights))
    network.eval()
    episodes = [Episode((run.seed, _PLAY, number)) for number in range(options.trajectories)]
    records = play(network, experiment.environment, episodes)
    return found_in([bytes(record.actions) for record in records], run.seed, pd.read_parquet(table))


def found_in(games: list[bytes], seed: int, training: pd.DataFrame) -> Found:
    """Ways and visits of games, by playing them again without chance."""
    emulator = Emulator()
    visits: Counter[tuple[int, int, int]] = Counter()
    first: dict[int, int] = {}
    ways: list[tuple[int, bytes]] = []
    steps = 0
    for actions in games:
        played = walk(emulator, seed, actions)
        visits.update(played.visits)
        ways.append((seed, bytes(played.demonstration.actions)))
        for room, step in played.demonstration.room_entries.items():
            first.setdefault(room, steps + step)
        steps += len(played.demonstration.actions)
    scores = training[training["metric"].isin(["score", "rooms"])]
    progress = scores.groupby(["step", "metric"])["value"].mean().unstack().reset_index()
    return Found(
        shorter_first(ways),
        progress.assign(stream=0, cells=0).reindex(columns=PROGRESS),
        visits_table(visits),
        first_visits_table((0, room, step) for room, step in first.items()),
    )
