"""collect: expert data for retention methods, games for measuring divergence, and start states of probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from fpc.core.device import device_name
from fpc.core.errors import ConfigError
from fpc.core.files import write_table, write_tensors
from fpc.core.seeds import seed_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import EXPERT, POLICY
from fpc.domains.interface import Run
from fpc.domains.nethack.config import CollectOptions, NetHackExperiment
from fpc.domains.nethack.games import read_game
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.parallel_rollout import load_policy
from fpc.domains.nethack.recordings import Recordings
from fpc.domains.nethack.replaying import GameOutputs, replay_games
from fpc.domains.nethack.sources import (
    GAMES_FILE,
    GAMES_FOLDER,
    externals_of,
    obtain_games,
    play_expert,
    read_game_list,
    write_game_list,
)
from fpc.domains.nethack.start_state_capture import entry_states
from fpc.domains.nethack.start_states import StartState, write_start_states

if TYPE_CHECKING:
    from fpc.domains.nethack.expert import GameRecord

SEED_USES = ("games", "starts", "sokoban")
GAMES_AT_ONCE = 16  # expert games played between two counts of the level entries found
DIVERGENCE_FILE, START_STATES_FILE = "divergence.safetensors", "start_states.json"


def collect(experiment: NetHackExperiment, run: Run) -> None:
    """Write the expert's sequences and the start states of the probes.

    - ``expert.safetensors`` (recipe `stored`): ``features`` float16 [N, hidden] (the LSTM's inputs),
      ``actions`` uint8 [N] (the expert's), ``starts`` bool [N], ``depth`` uint8 [N]; whole games,
      concatenated. pi*'s outputs follow from them (:mod:`.after_encoder`). ``games.json`` with the recipe
      `streamed`.
    - ``divergence.safetensors``: the same tensors for other games; if the recipe is `streamed`, with
      observations and ``outputs`` float32 [N, 121] (pi*'s log-probabilities) instead of features.
    - ``expert_recordings.parquet``: episode, depth (int64) of all games of the source: deepest levels.
    - ``start_states.json``, and ``expert_games.parquet`` (episode, metrics) and ``expert_dungeon.parquet``
      (episode, turn, depth) of the games that our player played to find them.

    Raises:
        DataError: the games are unusable, or the expert never reaches the Far level.
    """
    configure_torch()
    seeds = {use: seed_of(run.seed, 100 + number) for number, use in enumerate(SEED_USES)}
    _write_probes(experiment, run, seeds)
    games, held_out = _games(experiment, run, seeds["games"])
    write_table(run.output / "expert_recordings.parquet", recordings_table(games))
    options = experiment.collect
    reserved = divergence_games(games, held_out, options.divergence_games, options.far_level)
    session = Replay(experiment, run)
    if reserved and not (run.output / DIVERGENCE_FILE).exists():
        session.write_divergence(games.selected(reserved))
    rest = games.selected([game for game in games.games if game not in reserved])
    if experiment.collect.recipe == "stored":
        session.write_stored(rest)
    else:
        own = rest.folder == run.output / GAMES_FOLDER
        write_game_list(run.output / GAMES_FILE, rest, beside=own)


def divergence_games(games: Recordings, held_out: Sequence[int], count: int, far_level: int) -> list[int]:
    """``count`` games to measure divergence on, at most half of all: deep ones first, then held-out ones.

    A game that reaches ``far_level`` covers both groups of probes. Neither pi* nor any method has seen a
    step of a game that was held out of cloning.
    """
    order = sorted(
        games.games, key=lambda game: (games.by_game[game].deepest < far_level, game not in held_out)
    )
    return sorted(order[: min(count, len(order) // 2)])


def _games(experiment: NetHackExperiment, run: Run, seed: int) -> tuple[Recordings, list[int]]:
    """The source's games: those pi* was cloned from, unless the configuration names others."""
    options, pretrained = experiment.collect, run.parents["pretrain"] / GAMES_FILE
    same = options.source is None or options.source == experiment.pretrain.source
    source = options.source or experiment.pretrain.source
    if same and pretrained.exists():
        run.externals.update(externals_of(source))
        return read_game_list(pretrained)
    games = obtain_games(
        source,
        experiment.environment,
        seed=seed,
        folder=run.output / GAMES_FOLDER,
        state=run.state,
        report=lambda done: run.report(done, source.games),
    )
    run.externals.update(externals_of(source))
    return games, []


class Replay:
    """Runs pi* over recorded games."""

    def __init__(self, experiment: NetHackExperiment, run: Run) -> None:
        self.experiment, self.run = experiment, run
        self.network = load_policy(run.parents["pretrain"] / POLICY, experiment.network, run.device)
        run.note_device(device_name(self.network.device))

    def write_stored(self, games: Recordings) -> None:
        """Write ``expert.safetensors`` from the first games, up to the configured number of steps.

        Raises:
            ConfigError: the first game alone has more steps.
        """
        limit, total = self.experiment.collect.transitions, 0
        kept: list[dict[str, Tensor]] = []
        for _, outputs in replay_games(self.network, games, features_dtype=torch.float16):
            if total + len(outputs.actions) > limit:
                break
            total += len(outputs.actions)
            kept.append(_stored(outputs))
            self.run.report(total, limit)
        if not kept:
            raise ConfigError(
                f"collect.transitions is {limit}, fewer than the steps of the expert's first game; raise it"
            )
        tensors = {name: torch.cat([game[name] for game in kept]) for name in kept[0]}
        write_tensors(self.run.output / EXPERT, tensors)

    def write_divergence(self, games: Recordings) -> None:
        """Write ``divergence.safetensors`` from these games."""
        stored = self.experiment.collect.recipe == "stored"
        dtype = torch.float16 if stored else torch.float32
        replayed = dict(replay_games(self.network, games, features_dtype=dtype))
        outputs = GameOutputs.joined(list(replayed.values()))
        tensors = _stored(outputs)
        if not stored:
            del tensors["features"]
            tensors |= _observations(games.selected(list(replayed)))
            tensors["outputs"] = outputs.logits.log_softmax(-1)
        write_tensors(self.run.output / DIVERGENCE_FILE, tensors)


def _stored(outputs: GameOutputs) -> dict[str, Tensor]:
    return {
        "features": outputs.features,
        "actions": outputs.actions.to(torch.uint8),
        "starts": outputs.starts,
        "depth": outputs.depths,
    }


def _observations(games: Recordings) -> dict[str, Tensor]:
    frames = [read_game(games, game) for game in games.games]
    names = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")
    return {name: torch.cat([torch.from_numpy(getattr(part, name)) for part in frames]) for name in names}


def _write_probes(experiment: NetHackExperiment, run: Run, seeds: dict[str, int]) -> None:
    """Write the start states, and tables of the games that the expert played to find them."""
    path = run.output / START_STATES_FILE
    if path.exists():
        return
    options = experiment.collect
    records = _expert_games(experiment, run, seeds["starts"])
    states: list[StartState] = []
    if options.level.count:
        states += entry_states(experiment.environment, records, options.far_level, options.level.count)
    if options.sokoban.count:
        from fpc.domains.nethack.sokoban import sokoban_states

        states += sokoban_states(experiment.environment, seeds["sokoban"], options.sokoban.count)
    write_table(run.output / "expert_games.parquet", games_table(records))
    write_table(run.output / "expert_dungeon.parquet", dungeon_table(records))
    write_start_states(path, states)


def _expert_games(experiment: NetHackExperiment, run: Run, seed: int) -> list[GameRecord]:
    """Play games of our expert until enough of them have reached the Far level."""
    options, far = experiment.collect, experiment.collect.far_level
    records: list[GameRecord] = []
    entries = 0
    while len(records) < options.level.max_games and entries < max(1, options.level.count):
        count = min(GAMES_AT_ONCE, options.level.max_games - len(records))
        folder = run.state / "expert_games"
        records += play_expert(experiment.environment, seed, len(records), count, options.max_steps, folder)
        entries = sum(far in record.level_entries for record in records)
        run.report(min(entries, options.level.count), max(1, options.level.count))
    _check_entries(options, entries, len(records))
    return records


def _check_entries(options: CollectOptions, entries: int, games: int) -> None:
    if options.level.count and not entries:
        raise ConfigError(
            f"the expert reached level {options.far_level} in none of {games} games; "
            "lower collect.far_level, or raise collect.level.max_games or collect.max_steps"
        )


def recordings_table(games: Recordings) -> pd.DataFrame:
    """Columns episode, depth (int64): the deepest level of each recorded game."""
    rows = [(game, recording.deepest) for game, recording in games.by_game.items()]
    return pd.DataFrame(rows, columns=["episode", "depth"]).astype("int64")


def games_table(records: Sequence[GameRecord]) -> pd.DataFrame:
    """Columns: episode (int64) and the eight metrics (float64)."""
    rows = [
        {"episode": number} | {name: float(record.metrics[name]) for name in METRICS}
        for number, record in enumerate(records)
    ]
    return pd.DataFrame(rows, columns=["episode", *METRICS])


def dungeon_table(records: Sequence[GameRecord]) -> pd.DataFrame:
    """Columns episode, turn, depth (int64); one row each time a game reaches a deeper level."""
    rows = [
        (number, turn, depth) for number, record in enumerate(records) for turn, depth in record.trajectory
    ]
    return pd.DataFrame(rows, columns=["episode", "turn", "depth"]).astype("int64")
