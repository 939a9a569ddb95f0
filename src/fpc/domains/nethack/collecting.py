"""collect: what retention methods learn from, what divergence is measured on, where probes start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from fpc.core.files import write_table, write_tensors
from fpc.core.processor import prepare_processor
from fpc.core.seeds import seed_of
from fpc.domains.interface import Run
from fpc.domains.nethack.config import CollectOptions, NetHackExperiment
from fpc.domains.nethack.entries import entry_states
from fpc.domains.nethack.expert_sequences import STORED_FILE
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
from fpc.domains.nethack.start_states import StartState, write_start_states

if TYPE_CHECKING:
    from fpc.domains.nethack.expert import GameRecord

USES = ("games", "starts", "sokoban")  # of the run's seed
GAMES_AT_ONCE = 16  # games of the expert between two looks at how many entries there are
DIVERGENCE_FILE, START_STATES_FILE = "divergence.safetensors", "start_states.json"


def collect(experiment: NetHackExperiment, run: Run) -> None:
    """Write the expert's sequences and the probes' start states.

    ``expert.safetensors`` with the recipe `stored`: ``features`` float16 [N, hidden] (the LSTM's inputs),
    ``outputs`` float16 [N, 121] (pi*'s log-probabilities), ``starts`` bool [N], ``depth`` uint8 [N], whole
    games one after the other. ``games.json`` with `streamed`. ``divergence.safetensors``: the same of other
    games, ``outputs`` float32, and with `streamed` the observations in place of features.
    ``start_states.json``; ``expert_games.parquet`` (episode and metrics) and ``expert_dungeon.parquet``
    (episode, turn, depth) of the games that were played for them.

    Raises:
        ValueError: the games cannot be used, or the expert does not get to the Far level.
    """
    prepare_processor()
    seeds = {use: seed_of(run.seed, 100 + number) for number, use in enumerate(USES)}
    _write_probes(experiment, run, seeds)
    games, held_out = _games(experiment, run, seeds["games"])
    options = experiment.collect
    apart = divergence_games(games, held_out, options.divergence_games, options.far_level)
    session = Replay(experiment, run)
    if apart and not (run.output / DIVERGENCE_FILE).exists():
        session.write_divergence(games.selected(apart))
    rest = games.selected([game for game in games.games if game not in apart])
    if experiment.collect.recipe == "stored":
        session.write_stored(rest)
    else:
        own = rest.folder == run.output / GAMES_FOLDER
        write_game_list(run.output / GAMES_FILE, rest, beside=own)


def divergence_games(games: Recordings, held_out: Sequence[int], count: int, far_level: int) -> list[int]:
    """``count`` games to measure divergence on, at most half of all: deep ones first, then held-out ones.

    A game that reaches ``far_level`` serves for both groups of probes; of a game that was held out of
    cloning neither pi* nor a method has seen a step.
    """
    order = sorted(
        games.games, key=lambda game: (games.by_game[game].deepest < far_level, game not in held_out)
    )
    return sorted(order[: min(count, len(order) // 2)])


def _games(experiment: NetHackExperiment, run: Run, seed: int) -> tuple[Recordings, list[int]]:
    """The source's games: those of pi*, unless the configuration names others."""
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
    """pi*, run over recorded games."""

    def __init__(self, experiment: NetHackExperiment, run: Run) -> None:
        self.experiment, self.run = experiment, run
        self.network = load_policy(run.parents["pretrain"] / "policy.safetensors", experiment.network)

    def write_stored(self, games: Recordings) -> None:
        """Write ``expert.safetensors`` of the first games, up to the configured number of steps.

        Raises:
            ValueError: the first game has more steps than that.
        """
        limit, kept, total = self.experiment.collect.transitions, [], 0
        for _, outputs in replay_games(self.network, games, features_type=torch.float16):
            if total + len(outputs.actions) > limit:
                break
            total += len(outputs.actions)
            kept.append(outputs)
            self.run.report(total, limit)
        if not kept:
            raise ValueError(
                f"collect.transitions is {limit}, less than the expert's first game has; raise it"
            )
        write_tensors(self.run.output / STORED_FILE, _tensors(GameOutputs.joined(kept), torch.float16))

    def write_divergence(self, games: Recordings) -> None:
        """Write ``divergence.safetensors`` of these games."""
        stored = self.experiment.collect.recipe == "stored"
        kind = torch.float16 if stored else torch.float32
        replayed = dict(replay_games(self.network, games, features_type=kind))
        tensors = _tensors(GameOutputs.joined(list(replayed.values())), torch.float32)
        if not stored:
            del tensors["features"]
            tensors |= _observations(games.selected(list(replayed)))
        write_tensors(self.run.output / DIVERGENCE_FILE, tensors)


def _tensors(outputs: GameOutputs, kind: torch.dtype) -> dict[str, Tensor]:
    return {
        "features": outputs.features,
        "outputs": outputs.logits.log_softmax(-1).to(kind),  # exact where it matters: near 0
        "starts": outputs.starts,
        "depth": outputs.depths,
    }


def _observations(games: Recordings) -> dict[str, Tensor]:
    frames = [read_game(games, game) for game in games.games]
    names = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")
    return {name: torch.cat([torch.from_numpy(getattr(part, name)) for part in frames]) for name in names}


def _write_probes(experiment: NetHackExperiment, run: Run, seeds: dict[str, int]) -> None:
    """Write the start states, and the tables of the games that the expert played for them."""
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
    """Games of our expert until enough of them reached the Far level."""
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
        raise ValueError(
            f"the expert reached level {options.far_level} in none of {games} games; "
            "set collect.far_level lower, or collect.level.max_games or collect.max_steps higher"
        )


def games_table(records: Sequence[GameRecord]) -> pd.DataFrame:
    """Columns episode int64 and the eight metrics float64."""
    rows = [
        {"episode": number} | {name: float(record.metrics[name]) for name in METRICS}
        for number, record in enumerate(records)
    ]
    return pd.DataFrame(rows, columns=["episode", *METRICS])


def dungeon_table(records: Sequence[GameRecord]) -> pd.DataFrame:
    """Columns episode, turn, depth, int64: a row where a game reached a deeper level."""
    rows = [
        (number, turn, depth) for number, record in enumerate(records) for turn, depth in record.trajectory
    ]
    return pd.DataFrame(rows, columns=["episode", "turn", "depth"]).astype("int64")
