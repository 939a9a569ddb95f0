"""Games are saved as they end; a stopped run plays the missing ones and ends with the same records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from fpc.core.files import read_json, write_tensors
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Found, Rollouts
from fpc.domains.nethack.rollout import Planned, new_episodes
from fpc.domains.nethack.saved_games import Records, Request, SavedGames, Wanted

from .random_games import NETWORK, task

SHORT = task(max_steps=40, no_progress_limit=4)
COUNT = 5 + 3 + 4


class Watched(Rollouts):
    """Counts the games that end, and stops the run after some of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__(NETWORK, 2, 1)
        self.stop_after, self.ended = stop_after, 0

    def play(
        self, games: Sequence[tuple[Path, Planned]], alive: Callable[[], None] = lambda: None
    ) -> Iterator[Found]:
        for found in super().play(games, alive):
            if self.ended == self.stop_after:
                raise KeyboardInterrupt
            self.ended += 1
            yield found


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, Wanted]:
    """Two policies: the first plays two probes, the second one."""
    found = {}
    for seed, probes in ((0, {"level_1": 5, "final": 3}), (1, {"level_1": 4})):
        path = tmp_path / f"policy_{seed}.safetensors"
        network = NetHackNetwork.seeded(NETWORK, seed)
        with torch.no_grad():
            network.policy.bias[:16] += 20.0  # mostly moves, so that games differ
        write_tensors(path, network.state_dict())
        requests = {name: Request(new_episodes(3, name, count), SHORT) for name, count in probes.items()}
        found[str(seed)] = Wanted(path, requests)
    return found


def play(
    wanted: dict[str, Wanted], folder: Path, rollouts: Rollouts, seconds: float = 1e6
) -> dict[str, Records]:
    with rollouts:
        games = SavedGames(rollouts, wanted, folder, seconds)
        return {name: games.records(name) for name in wanted}


def test_a_run_stopped_at_any_game_continues_with_the_missing_ones(
    wanted: dict[str, Wanted], tmp_path: Path
) -> None:
    whole = play(wanted, tmp_path / "whole", Watched())
    assert {name: list(records) for name, records in whole.items()} == {
        "0": ["level_1", "final"],
        "1": ["level_1"],
    }
    assert [record.number for record in whole["0"]["level_1"]] == list(range(5))
    for stop in (1, 6, 11):
        folder = tmp_path / f"stopped_{stop}"
        with pytest.raises(KeyboardInterrupt):
            play(wanted, folder, Watched(stop_after=stop))
        rest = Watched()
        assert play(wanted, folder, rest) == whole
        assert rest.ended == COUNT - stop
    nothing = Watched()
    assert play(wanted, tmp_path / "whole", nothing) == whole
    assert nothing.ended == 0


def test_a_complete_probe_is_saved_at_once_and_others_after_a_while(
    wanted: dict[str, Wanted], tmp_path: Path
) -> None:
    sizes: dict[float, list[int]] = {}
    for seconds in (0.0, 1e6):
        path, seen = tmp_path / f"{seconds}" / "1.json", []
        with Watched() as rollouts:
            games = SavedGames(rollouts, {"1": wanted["1"]}, path.parent, seconds)
            games.records("1", lambda done, path=path, seen=seen: seen.append(_saved(path)))  # type: ignore[misc]
        sizes[seconds] = seen
        assert _saved(path) == 4
    assert set(sizes[0.0]) == {0, 1, 2, 3}  # saved game by game; the last one after the last report
    assert set(sizes[1e6]) == {0}


def _saved(path: Path) -> int:
    return len(read_json(path)) if path.exists() else 0


def test_progress_is_reported_while_a_game_goes_on(wanted: dict[str, Wanted], tmp_path: Path) -> None:
    reports: list[int] = []
    with Watched() as rollouts:
        games = SavedGames(rollouts, {"1": wanted["1"]}, tmp_path, 1e6)
        records = games.records("1", reports.append)["level_1"]
    assert reports == sorted(reports)
    assert (reports[0], reports[-1]) == (0, 4)
    assert len(reports) > sum(record.steps for record in records) / 2  # two games side by side
