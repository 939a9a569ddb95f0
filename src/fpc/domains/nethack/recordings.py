"""Folders of recorded games (ttyrec3), listed with ``nle.dataset``: our player's and NLD-AA."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nle.dataset

from fpc.core.files import digest_of
from fpc.domains.nethack.config import SourceOptions
from fpc.domains.nethack.frames import Reader
from fpc.domains.nethack.ttyrec import RecordingReader


@dataclass(frozen=True)
class Recording:
    """Where one game is recorded."""

    files: tuple[str, ...]  # relative to the folder of all; more than one where NLE split it
    deepest: int  # dungeon level it reached


@dataclass(frozen=True)
class Recordings:
    """Recorded games in one folder."""

    folder: Path
    version: int  # of ttyrec
    by_game: Mapping[int, Recording]

    @property
    def games(self) -> Sequence[int]:
        """Numbers of the games."""
        return tuple(self.by_game)

    def open(self, game: int) -> Reader:
        """Read a game from its first step.

        Raises:
            ValueError: a file is missing or was cut off.
        """
        paths = [self.folder / name for name in self.by_game[game].files]
        return RecordingReader(paths, self.version, game + 1)  # a converter takes 0 for no game

    def selected(self, games: Sequence[int]) -> Recordings:
        """Only these games, in this order."""
        return Recordings(self.folder, self.version, {game: self.by_game[game] for game in games})


def index_recordings(folder: Path, database: Path, source: SourceOptions | None = None) -> Recordings:
    """List the recordings below ``folder``; ``source`` filters by character and number.

    Games are numbered in an order that follows from how they went (points, turns, ...) and looks random:
    not from the names of files, in which NLE puts time and process.

    Args:
        folder: holds, at any depth, ``<name>/nle.<process>.xlogfile`` and the ``.ttyrec3.bz2`` files that
            it names. Only games that ended (or were quit) are in it.
        database: sqlite file to make anew; belongs into the state of a run.
        source: ``role``, ``race``, ``alignment`` (as the character began) and ``games``, the most to take.

    Raises:
        ValueError: there are no recordings, or none is left after the filter.
    """
    _build_database(folder, database)
    with contextlib.closing(nle.dataset.db.connect(str(database))) as connection:
        games = connection.execute(
            "SELECT gameid, role, race, align0, maxlvl, points, turns, hp, maxhp, conduct, achieve, death "
            "FROM games ORDER BY gameid"
        ).fetchall()
        parts = connection.execute(
            "SELECT gameid, dataset_name, path FROM ttyrecs JOIN datasets USING (gameid) "
            "ORDER BY gameid, part"
        ).fetchall()
        versions = [row[0] for row in connection.execute("SELECT DISTINCT ttyrec_version FROM roots")]
    if len(versions) > 1:
        raise ValueError(f"{folder}: recordings of different versions of ttyrec: {versions}; separate them")
    if not games:
        raise ValueError(f"{folder}: no finished game is recorded there; remove the folder to make it again")
    chosen = [row for row in games if source is None or _matches(row[1:4], source)]
    if not chosen:
        assert source is not None
        shown = ", ".join(f"{name}={value}" for name, value in _character_filter(source).items())
        counts = Counter("-".join(row[1:4]) for row in games)
        found = ", ".join(f"{name} ({count} games)" for name, count in sorted(counts.items()))
        raise ValueError(f"{folder}: no game is left after the filter {shown}; it holds {found}")
    files: dict[int, tuple[str, ...]] = {}
    for game, place, path in parts:
        files[game] = (*files.get(game, ()), (Path(place) / path).as_posix())
    chosen.sort(key=lambda row: digest_of(row[4:]))
    recordings = [Recording(files[row[0]], max(1, row[4])) for row in chosen]
    kept = recordings[: None if source is None else source.games]
    return Recordings(folder, versions[0], dict(enumerate(kept)))


def _matches(character: Sequence[str], source: SourceOptions) -> bool:
    found = dict(zip(("role", "race", "alignment"), character, strict=True))
    return all(found[name] == value for name, value in _character_filter(source).items())


def _character_filter(source: SourceOptions) -> dict[str, str]:
    wanted = {"role": source.role, "race": source.race, "alignment": source.alignment}
    return {name: value for name, value in wanted.items() if value is not None}


def _build_database(folder: Path, database: Path) -> None:
    """An index as ``nle.dataset`` makes it, a data set for each folder of folders with recordings."""
    logs = sorted(path.relative_to(folder) for path in folder.rglob("*.xlogfile"))
    places = {path.parent.parent for path in logs if not any(part.startswith(".") for part in path.parts)}
    if not places:
        raise ValueError(f"{folder}: no recordings there: no <name>/nle.<process>.xlogfile")
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{database.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        nle.dataset.db.create(str(temporary))
        with contextlib.redirect_stdout(io.StringIO()):
            for place in sorted(places):
                nle.dataset.add_nledata_directory(
                    str(folder.resolve() / place), place.as_posix(), str(temporary)
                )
        temporary.replace(database)
    except AssertionError as error:
        raise ValueError(f"{folder}: recordings that nle.dataset cannot read: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
