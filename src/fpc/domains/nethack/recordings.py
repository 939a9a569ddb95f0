"""Indexes folders of recorded games (ttyrec3) with ``nle.dataset``: our player's games and NLD-AA."""

from __future__ import annotations

import contextlib
import glob
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nle.dataset

from fpc.core.errors import DataError
from fpc.core.files import digest_of
from fpc.domains.nethack.config import SourceOptions
from fpc.domains.nethack.frames import Reader
from fpc.domains.nethack.ttyrec import RecordingReader
from fpc.domains.nethack.ttyrec_file import check_version


@dataclass(frozen=True)
class Recording:
    """The recording of one game."""

    files: tuple[str, ...]  # relative to the common folder; several if NLE split the game
    deepest: int  # deepest dungeon level reached


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
            DataError: a file is missing, truncated, damaged or not of this version.
        """
        paths = [self.folder / name for name in self.by_game[game].files]
        return RecordingReader(paths, self.version, game + 1)  # to the converter, 0 means no game

    def selected(self, games: Sequence[int]) -> Recordings:
        """Only these games, in this order."""
        return Recordings(self.folder, self.version, {game: self.by_game[game] for game in games})


def index_recordings(folder: Path, database: Path, source: SourceOptions | None = None) -> Recordings:
    """List the recordings below ``folder``; ``source`` filters by character and limits their number.

    Games are numbered in a pseudo-random order that depends only on their outcomes (points, turns, ...),
    not on file names, in which NLE puts the time and process id.

    Args:
        folder: holds, at any depth, ``<name>/nle.<process>.xlogfile`` and the ``.ttyrec3.bz2`` files that
            it lists. Only games that ended (or were quit) are listed.
        database: sqlite file to create; belongs in the state folder of a run.
        source: ``role``, ``race``, ``alignment`` (at the start of the game) and ``games``, the maximum.

    Raises:
        DataError: there are no recordings, they lack scores, or the filter leaves none.
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
        raise DataError(f"{folder}: recordings of different versions of ttyrec: {versions}; separate them")
    if not games:
        raise DataError(f"{folder}: no recording of a finished game; delete the folder to record games again")
    check_version(folder, versions[0])
    chosen = [row for row in games if source is None or _matches(row[1:4], source)]
    if not chosen:
        assert source is not None
        shown = ", ".join(f"{name}={value}" for name, value in _character_filter(source).items())
        counts = Counter("-".join(row[1:4]) for row in games)
        found = ", ".join(f"{name} ({count} games)" for name, count in sorted(counts.items()))
        raise DataError(f"{folder}: no game matches the filter {shown}; available: {found}")
    files: dict[int, tuple[str, ...]] = {}
    for game, dataset, path in parts:
        files[game] = (*files.get(game, ()), (Path(dataset) / path).as_posix())
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
    """Build the index of ``nle.dataset``, with one data set per parent folder of recording folders."""
    logs = sorted(path.relative_to(folder) for path in folder.rglob("*.xlogfile"))
    logs = [path for path in logs if not any(part.startswith(".") for part in path.parts)]
    if not logs:
        raise DataError(f"{folder}: no recordings found (no <name>/nle.<process>.xlogfile)")
    for log in logs:
        _check_recordings_of(folder / log)
    datasets = {log.parent.parent for log in logs}
    database.parent.mkdir(parents=True, exist_ok=True)
    temporary = database.with_name(f".{database.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        nle.dataset.db.create(str(temporary))
        # NLE takes the path for a pattern, in which brackets mean something else: it gets a link instead.
        with contextlib.redirect_stdout(io.StringIO()), TemporaryDirectory(prefix="fpc-") as links:
            for number, dataset in enumerate(sorted(datasets)):
                link = Path(links) / str(number)
                link.symlink_to(folder.resolve() / dataset)
                nle.dataset.add_nledata_directory(str(link), dataset.as_posix(), str(temporary))
        temporary.replace(database)
    except (AssertionError, ValueError, LookupError) as error:
        raise DataError(f"{folder}: nle.dataset cannot read the recordings: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_recordings_of(log: Path) -> None:
    """Check that there are recordings beside a list of games, all of one version.

    Raises:
        DataError: there are none or of several versions, or NLE cannot read the folder's name.
    """
    if glob.has_magic(log.parent.name) or glob.has_magic(log.name):
        raise DataError(f"{log}: NLE cannot read this folder; rename it without any of * ? [ ]")
    pattern = f"{log.stem}.*.ttyrec*.bz2"
    names = [path.name for path in log.parent.glob(pattern)]
    versions = sorted({name.rpartition("ttyrec")[2].partition(".")[0] for name in names})
    if not versions:
        raise DataError(
            f"{log}: no recordings ({pattern}) beside it; fetch or copy the folder again, or delete this file"
        )
    if len(versions) > 1:
        listed = ", ".join(f"ttyrec{version}" for version in versions)
        raise DataError(f"{log}: recordings of several versions beside it ({listed}); keep one version")
