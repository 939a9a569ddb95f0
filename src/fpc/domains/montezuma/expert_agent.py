"""The paper's expert: an agent trained from the start of the game with APPO and RND, then played."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from fpc.core.errors import UserError
from fpc.core.files import read_json, read_table, read_tensors, write_json, write_table, write_tensors
from fpc.domains.finetuning import run_fields
from fpc.domains.interface import Run
from fpc.domains.montezuma.archive import (
    PROGRESS,
    Exploration,
    first_visits_table,
    shortest_first,
    visits_table,
)
from fpc.domains.montezuma.config import MontezumaExperiment, PPORNDOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.factories import specification_of
from fpc.domains.montezuma.network import network_with
from fpc.domains.montezuma.passages import replay_game
from fpc.domains.montezuma.rollout import Episode, play
from fpc.learners.appo import APPO, APPOSpecification
from fpc.learners.interface import Trained

CHECKS = "expert_checks.json"  # step -> measured returns, in the run's state
_PLAY, _CONFIRM = 5501, 5503  # distinguish these games from others with the same seed


class TargetNotReached(UserError):
    """The agent's budget is spent, but its return is below the target."""


def play_expert(experiment: MontezumaExperiment, run: Run) -> Exploration:
    """Train the agent, play its games and collect the trajectories into every room it reached.

    Raises:
        TargetNotReached: see :func:`trained_agent`.
    """
    options = experiment.pretrain.expert.ppo_rnd
    assert options is not None  # guaranteed by the configuration
    weights, table = run.state / "expert.safetensors", run.state / "expert.parquet"
    if not table.exists():
        trained = trained_agent(experiment, options, run)
        write_tensors(weights, trained.policy)
        write_table(table, trained.table)
    network = network_with(experiment.network, experiment.environment, read_tensors(weights), run.device)
    episodes = [Episode((run.seed, _PLAY, number)) for number in range(options.trajectories)]
    records = play(network, experiment.environment, episodes)
    return exploration_of([bytes(record.actions) for record in records], run.seed, read_table(table))


def trained_agent(experiment: MontezumaExperiment, options: PPORNDOptions, run: Run) -> Trained:
    """Train until the target return is reached and confirmed, or for all steps if there is no target.

    Training continues from its checkpoint after each check, so a check changes nothing in it. Checks are
    stored in the run's state: a resumed run has the weights of a later step, and does not repeat them.

    Raises:
        TargetNotReached: the steps are spent below the target, and ``accept_below_target`` is not set.
    """
    if options.target_return is None:
        return APPO().train(_specification(experiment, run, options.steps))
    path = run.state / CHECKS
    checks: dict[str, list[float]] = read_json(path) if path.exists() else {}
    for step in (*range(options.check_every, options.steps, options.check_every), options.steps):
        if str(step) not in checks:
            trained = APPO().train(_specification(experiment, run, step))
            checks[str(step)] = _measured(experiment, options, run, trained, step)
            write_json(path, checks)
        measured = checks[str(step)]
        if len(measured) == 2 and min(measured) >= options.target_return:
            break
    else:
        _accept(options, measured)
    return APPO().train(_specification(experiment, run, step))  # already trained: reads the checkpoint


def _accept(options: PPORNDOptions, measured: list[float]) -> None:
    """Let an agent below the target pass, if the options allow it."""
    if options.accept_below_target:
        return
    names = ("of the last games in training", "of the confirming games")
    found = ", ".join(f"{value:.0f} {name}" for value, name in zip(measured, names, strict=False))
    raise TargetNotReached(
        f"the expert's mean return after {options.steps} steps is {found}; the target is "
        f"{options.target_return:.0f}: raise pretrain.expert.ppo_rnd.steps or lower target_return, or set "
        "accept_below_target: true to continue with this agent"
    )


def recent_return(table: pd.DataFrame, games: int) -> float:
    """Mean points of the last ``games`` finished games in a training table; -inf if there were fewer."""
    scores = table.loc[table["metric"] == "score", "value"]
    return float(scores.tail(games).mean()) if len(scores) >= games else float("-inf")


def _measured(
    experiment: MontezumaExperiment, options: PPORNDOptions, run: Run, trained: Trained, step: int
) -> list[float]:
    """The recent return and, if it reaches the target, that of new games; their seeds depend on the step."""
    recent = recent_return(trained.table, options.recent_games)
    if recent < (options.target_return or 0.0):
        return [recent]
    games = [Episode((run.seed, _CONFIRM, step, number)) for number in range(options.confirming_games)]
    network = network_with(experiment.network, experiment.environment, trained.policy, run.device)
    records = play(network, experiment.environment, games)
    return [recent, sum(record.score for record in records) / len(records)]


def _specification(experiment: MontezumaExperiment, run: Run, steps: int) -> APPOSpecification:
    pretrain, fields = experiment.pretrain, run_fields(run, run.state / "expert", phase="expert")
    return specification_of(experiment, pretrain.appo, pretrain.rnd, steps=steps, **fields)


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
