"""pretrain: make pi*, a clone of an expert that plays the whole game (imperfect cloning gap).

Each stage leaves its result in the run's folder, and a resumed run goes on with the first unfinished one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from fpc.core.files import read_json, read_tensors, sha256_of, write_json, write_table, write_tensors
from fpc.core.metric_log import MetricLog
from fpc.core.processor import prepare_processor
from fpc.core.seeds import seed_of
from fpc.domains.finetuning import CRITIC, POLICY, TRAINING
from fpc.domains.interface import Run
from fpc.domains.nethack.cloning import clone, split, updates_of
from fpc.domains.nethack.config import CloneOptions, NetHackExperiment
from fpc.domains.nethack.games import count_actions
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Request, Rollouts
from fpc.domains.nethack.published import check_weights
from fpc.domains.nethack.recordings import Recordings
from fpc.domains.nethack.rollout import new_episodes
from fpc.domains.nethack.sources import (
    GAMES_FILE,
    GAMES_FOLDER,
    externals_of,
    obtain_games,
    read_game_list,
    write_game_list,
)

USES = ("network", "games", "cloning")  # of the run's seed
CLONED, CRITIC_TABLE, ACTIONS = "cloned.parquet", "critic.parquet", "actions.json"  # in the run's state
PROBE, PROBE_BATCH = "level_1", 32


def pretrain(experiment: NetHackExperiment, run: Run) -> None:
    """Write pi* and how it came about.

    ``policy.safetensors`` (keys of the published weights), ``critic.safetensors`` where the critic is
    pre-trained, ``training.parquet`` (step, seed, metric, value; ``probe_<metric>`` are means over pi*'s
    own games) and with the recipe `clone` ``games.json``, where the expert's games are, with our own
    expert's in ``games/``.

    Raises:
        ValueError: the games or the published weights cannot be used.
    """
    prepare_processor()
    options = experiment.pretrain
    tables = []
    if options.recipe == "clone":
        assert options.clone is not None  # the configuration checks it
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
    """Play or fetch games, clone them into ``policy.safetensors``; returns the table of cloning."""
    seeds = {use: seed_of(run.seed, number) for number, use in enumerate(USES)}
    source = experiment.pretrain.source
    table = run.state / CLONED
    if table.exists() and (run.output / POLICY).exists():
        return pd.read_parquet(table)
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
    learned = games.selected([game for game in games.games if game not in held_out])
    actions = _actions(learned, run.state / ACTIONS)
    network = NetHackNetwork.seeded(experiment.network, seeds["network"])
    found = clone(
        network,
        learned,
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
    write_table(table, found)
    return found


def _actions(games: Recordings, kept: Path) -> list[int]:
    """How often each action is taken; counted once."""
    if not kept.exists():
        write_json(kept, count_actions(games))
    return list(read_json(kept))


def _reporter(run: Run, total: int) -> Callable[[int, dict[str, float]], None]:
    return lambda step, measures: run.report(step, total, **measures)


def _copy_published(path: Path, experiment: NetHackExperiment, run: Run) -> None:
    """Copy imported weights once their keys and shapes are those of the experiment's network.

    Raises:
        ValueError: the file is missing, or its network is another.
    """
    if not path.exists():
        raise ValueError(
            f"pretrain.published: {path} is missing; make it with: fpc import-policy <weights> {path}"
        )
    digest = sha256_of(path)
    weights = read_tensors(path, digest)
    check_weights(path, weights, experiment.network)
    write_tensors(run.output / POLICY, weights)
    run.externals[path.name] = digest
    origin = path.with_suffix(".json")
    if origin.exists():  # what `fpc import-policy` noted: file and digest it was made from
        note = read_json(origin)
        run.externals[note["source"]] = note["source_sha256"]
        write_json(run.output / "published.json", note)


def _critic(experiment: NetHackExperiment, run: Run) -> pd.DataFrame:
    """Pre-train the critic into ``critic.safetensors``; returns its table."""
    from fpc.domains.nethack.critic import pretrain_critic

    kept = run.state / CRITIC_TABLE
    if not (kept.exists() and (run.output / CRITIC).exists()):
        write_table(kept, pretrain_critic(experiment, run.output / POLICY, run.output / CRITIC, run))
    return pd.read_parquet(kept)


def _probe(experiment: NetHackExperiment, run: Run) -> pd.DataFrame:
    """Means over pi*'s own games from the start."""
    count, log = experiment.pretrain.probe_games, MetricLog()
    request = Request(new_episodes(run.seed, PROBE, count), experiment.environment)
    with Rollouts(experiment.network, PROBE_BATCH) as rollouts:
        played = rollouts.play(run.output / POLICY, {PROBE: request}, lambda done: run.report(done, count))[
            PROBE
        ]
    means = {f"probe_{name}": sum(game.metrics[name] for game in played) / count for name in METRICS}
    log.add(0, probe_return=sum(game.score for game in played) / count, **means)
    return log.table(run.seed)
