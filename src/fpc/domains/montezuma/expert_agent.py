"""The paper's expert: an agent trained from the start of the game with APPO and RND, then played."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from fpc.core.files import read_tensors, write_table, write_tensors
from fpc.domains.finetuning import run_fields
from fpc.domains.interface import Run
from fpc.domains.montezuma.archive import (
    PROGRESS,
    Exploration,
    first_visits_table,
    shortest_first,
    visits_table,
)
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.factories import specification_of
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.passages import replay_game
from fpc.domains.montezuma.rollout import Episode, play
from fpc.learners.appo import APPO

_PLAY = 5501  # distinguishes these games from others with the same seed


def play_expert(experiment: MontezumaExperiment, run: Run) -> Exploration:
    """Train the agent, play its games and collect the trajectories into every room it reached."""
    options = experiment.pretrain.expert.ppo_rnd
    assert options is not None  # guaranteed by the configuration
    pretrain = experiment.pretrain
    weights, table = run.state / "expert.safetensors", run.state / "expert.parquet"
    if not table.exists():
        specification = specification_of(
            experiment,
            pretrain.appo,
            pretrain.rnd,
            steps=options.steps,
            **run_fields(run, run.state / "expert", phase="expert"),
        )
        trained = APPO().train(specification)
        write_tensors(weights, trained.policy)
        write_table(table, trained.table)
    network = MontezumaNetwork(experiment.network, experiment.environment)
    network.load_state_dict(read_tensors(weights))
    network.eval()
    episodes = [Episode((run.seed, _PLAY, number)) for number in range(options.trajectories)]
    records = play(network, experiment.environment, episodes)
    return exploration_of([bytes(record.actions) for record in records], run.seed, pd.read_parquet(table))


def exploration_of(games: list[bytes], seed: int, training: pd.DataFrame) -> Exploration:
    """Trajectories and visits of games, from a deterministic replay."""
    emulator = Emulator()
    visits: Counter[tuple[int, int, int]] = Counter()
    first: dict[int, int] = {}
    trajectories: list[tuple[int, bytes]] = []
    steps = 0
    for actions in games:
        played = replay_game(emulator, seed, actions)
        visits.update(played.visits)
        trajectories.append((seed, bytes(played.demonstration.actions)))
        for room, step in played.demonstration.room_entries.items():
            first.setdefault(room, steps + step)
        steps += len(played.demonstration.actions)
    scores = training[training["metric"].isin(["score", "rooms"])]
    progress = scores.groupby(["step", "metric"])["value"].mean().unstack().reset_index()
    return Exploration(
        shortest_first(trajectories),
        progress.assign(stream=0, cells=0).reindex(columns=PROGRESS),
        visits_table(visits),
        first_visits_table((0, room, step) for room, step in first.items()),
    )
