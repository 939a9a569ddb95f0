"""Obtains expert games, and reads and writes the list of them in artifacts (``games.json``)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.errors import DataError
from fpc.core.files import read_json, write_json
from fpc.core.seeds import seed_of
from fpc.domains.nethack.config import EnvironmentOptions, SourceOptions
from fpc.domains.nethack.recordings import Recording, Recordings, index_recordings

if TYPE_CHECKING:
    from fpc.domains.nethack.expert import GameRecord

GAMES_FILE = "games.json"
GAMES_FOLDER = "games"

Report = Callable[[int], None]


def obtain_games(
    source: SourceOptions,
    environment: EnvironmentOptions,
    *,
    seed: int,
    folder: Path,
    state: Path,
    report: Report,
) -> Recordings:
    """Games of ``source``: played by our expert into ``folder``, or fetched before (never downloaded here).

    Args:
        source: which games, and how many.
        environment: the task for our expert.
        seed: for our expert's games.
        folder: for our expert's recordings; games already recorded there are not played again.
        state: folder for the index.
        report: called with the number of completed games.

    Raises:
        DataError: there are no such games.
        DownloadError: the recordings were not fetched; the message says how to fetch them.
    """
    if source.kind == "expert":
        play_expert(environment, seed, 0, source.games, source.max_steps, folder, report)
    else:
        from fpc.domains.nethack.external_inputs import require

        folder = require(source.kind)
    return index_recordings(folder, state / "games.db", source)


def externals_of(source: SourceOptions) -> dict[str, str]:
    """Address -> sha256 of the downloads behind a source; empty for our own expert."""
    if source.kind == "expert":
        return {}
    from fpc.domains.nethack.external_inputs import pinned

    return pinned(source.kind)


def play_expert(
    environment: EnvironmentOptions,
    seed: int,
    first: int,
    count: int,
    max_steps: int,
    folder: Path | None,
    report: Report | None = None,
) -> list[GameRecord]:
    """Let our expert play games ``first`` to ``first + count`` of the sequence defined by ``seed``."""
    from fpc.core.processes import processes_wanted
    from fpc.domains.nethack.expert import play_games

    seeds = [seed_of(seed, number) for number in range(first, first + count)]
    return play_games(
        environment,
        seeds,
        max_steps,
        folder,
        processes_wanted(),
        None if report is None else lambda done, _: report(done),
    )


def write_game_list(
    path: Path, games: Recordings, held_out: Collection[int] = (), *, beside: bool = False
) -> None:
    """Write ``games.json``: where the recordings are, and which games were held out of cloning.

    Args:
        path: file to write.
        games: games to list.
        held_out: numbers of the games that were not used for training.
        beside: the recordings are in the same folder as the file and move with it.
    """
    listed = [asdict(recording) | {"held_out": game in held_out} for game, recording in games.by_game.items()]
    folder = games.folder.name if beside else games.folder.as_posix()
    content = {"folder": folder, "beside": beside, "version": games.version, "games": listed}
    write_json(path, content)


def read_game_list(path: Path) -> tuple[Recordings, list[int]]:
    """Read ``games.json``: the recordings, and the numbers of the held-out games.

    Raises:
        DataError: the file is not a list of games, or the recordings are missing.
    """
    try:
        content = read_json(path)
        folder = path.parent / content["folder"] if content["beside"] else Path(content["folder"])
        held_out = [game for game, row in enumerate(content["games"]) if row["held_out"]]
        recordings = {
            game: Recording(tuple(row["files"]), int(row["deepest"]))
            for game, row in enumerate(content["games"])
        }
        version = int(content["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a list of recorded games ({error}); regenerate this artifact"
        ) from error
    if not folder.is_dir():
        raise DataError(
            f"{path}: the recordings should be in {folder}, which does not exist; fetch them again"
        )
    return Recordings(folder, version, recordings), held_out
