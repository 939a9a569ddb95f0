"""pretrain: train pi* by cloning an expert that plays the whole game (imperfect cloning gap).

Each stage saves its result in the run's folder; a resumed run continues with the first unfinished stage.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from fpc.core.device import device_name, release_gpu_memory
from fpc.core.errors import DataError
from fpc.core.files import (
    read_json,
    read_table,
    read_tensors,
    sha256_of,
    write_json,
    write_table,
    write_tensors,
)
from fpc.core.metric_log import MetricLog
from fpc.core.seeds import seed_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import CRITIC, POLICY, TRAINING
from fpc.domains.interface import Run
from fpc.domains.nethack.cloning import clone, split, updates_of
from fpc.domains.nethack.config import CloneOptions, NetHackExperiment
from fpc.domains.nethack.games import count_actions
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Rollouts
from fpc.domains.nethack.published_weights import check_weights
from fpc.domains.nethack.recordings import Recordings
from fpc.domains.nethack.rollout import new_episodes
from fpc.domains.nethack.saved_games import Request, SavedGames, Wanted
from fpc.domains.nethack.sources import (
    GAMES_FILE,
    GAMES_FOLDER,
    externals_of,
    obtain_games,
    read_game_list,
    write_game_list,
)

SEED_USES = ("network", "games", "cloning")
CLONED, CRITIC_TABLE, ACTIONS = (
    "cloned.parquet",
    "critic.parquet",
    "actions.json",
)  # in the run's state folder
PROBE, PROBE_BATCH = "level_1", 32
PROBED = "probe_games"  # file of the games in the run's state folder


def pretrain(experiment: NetHackExperiment, run: Run) -> None:
    """Write pi* and the record of its training.

    - ``policy.safetensors``, with the keys of the published weights.
    - ``critic.safetensors``, if the critic is pre-trained.
    - ``training.parquet``: step, seed, metric, value; ``probe_<metric>`` are means over games pi* played.
    - ``games.json`` (recipe `clone`): where the expert's games are; our own expert's are in ``games/``.

    Raises:
        DataError: the games or the published weights are unusable.
    """
    configure_torch()
    options = experiment.pretrain
    tables = []
    if options.recipe == "clone":
        assert options.clone is not None  # checked by the configuration
        tables.append(_cloned(experiment, options.clone, run))
        run.externals.update(externals_of(options.source))
    else:
        assert options.published is not None
        _copy_published(Path(options.published), experiment, run)
    if options.critic.steps:
        tables.append(_critic(experiment, run))
    tables.append(_probe(experiment, run))
    write_table(run.output / TRAINING, pd.concat(tables, ignore_index=True))


def _cloned(experiment: NetHackExperiment, options: CloneOptions, run: Run) -> pd.DataFrame:
    """Play or fetch games and clone them into ``policy.safetensors``; returns the training table."""
    seeds = {use: seed_of(run.seed, number) for number, use in enumerate(SEED_USES)}
    source = experiment.pretrain.source
    table = run.state / CLONED
    if table.exists() and (run.output / POLICY).exists():
        return read_table(table)
    if not (run.output / GAMES_FILE).exists():
        games = obtain_games(
            source,
            experiment.environment,
            seed=seeds["games"],
            folder=run.output / GAMES_FOLDER,
            state=run.state,
            report=lambda done: run.report(done, source.games),
        )
        _, held_out = split(games, options.held_out, seeds["games"])
        write_game_list(run.output / GAMES_FILE, games, held_out, beside=source.kind == "expert")
    games, held_out = read_game_list(run.output / GAMES_FILE)
    training_games = games.selected([game for game in games.games if game not in held_out])
    actions = _actions(training_games, run.state / ACTIONS)
    network = NetHackNetwork.seeded(experiment.network, seeds["network"]).to(run.device)
    run.note_device(device_name(network.device))
    found = clone(
        network,
        training_games,
        games.selected(held_out),
        actions,
        options,
        seed=seeds["cloning"],
        state=run.state / "cloning",
        report=_reporter(run, updates_of(sum(actions), options) * options.streams * options.sequence_length),
        checkpoint_seconds=run.checkpoint_seconds,
    )
    found["seed"] = run.seed
    write_tensors(run.output / POLICY, network.state_dict())
    del network
    release_gpu_memory()  # for the critic's training, in other processes
    write_table(table, found)
    return found


def _actions(games: Recordings, cache: Path) -> list[int]:
    """How often each action is taken; counted once and then cached."""
    if not cache.exists():
        write_json(cache, count_actions(games))
    return list(read_json(cache))


def _reporter(run: Run, total: int) -> Callable[[int, dict[str, float]], None]:
    return lambda step, measures: run.report(step, total, **measures)


def _copy_published(path: Path, experiment: NetHackExperiment, run: Run) -> None:
    """Copy imported weights after checking their keys and shapes against the experiment's network.

    Raises:
        DataError: the file is missing, or its weights do not fit the network.
    """
    if not path.exists():
        raise DataError(
            f"pretrain.published: {path} is missing; create it with: fpc import-policy <weights> {path}"
        )
    digest = sha256_of(path)
    weights = read_tensors(path, digest)
    check_weights(path, weights, experiment.network)
    write_tensors(run.output / POLICY, weights)
    run.externals[path.name] = digest
    origin = path.with_suffix(".json")
    if origin.exists():  # written by `fpc import-policy`: name and digest of its source
        note = read_json(origin)
        run.externals[note["source"]] = note["source_sha256"]
        write_json(run.output / "published.json", note)


def _critic(experiment: NetHackExperiment, run: Run) -> pd.DataFrame:
    """Pre-train the critic into ``critic.safetensors``; returns the training table."""
    from fpc.domains.nethack.critic import pretrain_critic

    table = run.state / CRITIC_TABLE
    if not (table.exists() and (run.output / CRITIC).exists()):
        write_table(table, pretrain_critic(experiment, run.output / POLICY, run.output / CRITIC, run))
    return read_table(table)


def _probe(experiment: NetHackExperiment, run: Run) -> pd.DataFrame:
    """Mean metrics over games that pi* plays from the start."""
    count, log = experiment.pretrain.probe_games, MetricLog()
    request = Request(new_episodes(run.seed, PROBE, count), experiment.environment)
    wanted = {PROBED: Wanted(run.output / POLICY, {PROBE: request})}
    with Rollouts(experiment.network, PROBE_BATCH, device=run.device, on_device=run.note_device) as rollouts:
        games = SavedGames(rollouts, wanted, run.state, run.checkpoint_seconds)
        played = games.records(PROBED, lambda done: run.report(done, count))[PROBE]
    means = {f"probe_{name}": sum(game.metrics[name] for game in played) / count for name in METRICS}
    log.add(0, probe_return=sum(game.score for game in played) / count, **means)
    return log.table(run.seed)
