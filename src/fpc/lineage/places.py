"""Where the project's folders are: itself, its results and parts of these may be reached through links."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS
from fpc.lineage.file_status import is_file

LINKED_DEPTH = 2  # levels below results/ that may be links to another disk: a scale, and an experiment in it

# What lies in the way, by the error of the system; EEXIST is that of making a folder.
FOUND = {errno.EISDIR: "folder", errno.ENOTDIR: "file", errno.EEXIST: "file"}


def real_folder(folder: Path) -> Path:
    """Where a folder is, following only the links that may lead to another disk.

    Args:
        folder: a folder, relative to the project.
    """
    if not folder.is_relative_to(RESULTS):
        return Path.cwd() / folder
    parts = folder.relative_to(RESULTS).parts
    return RESULTS.joinpath(*parts[:LINKED_DEPTH]).resolve().joinpath(*parts[LINKED_DEPTH:])


def may_be_linked(folder: Path) -> bool:
    """Whether a folder of the results may be a link to another disk."""
    return folder.is_relative_to(RESULTS) and len(folder.relative_to(RESULTS).parts) <= LINKED_DEPTH


def links_of(label: str) -> list[Path]:
    """The folders of a scale's results, and those above them, that are links to elsewhere."""
    home = RESULTS / label
    return [folder for folder in (RESULTS, home, *sorted(home.glob("*"))) if folder.is_symlink()]


def check_here(label: str = "") -> None:
    """Check that the folder of a scale's results, or of all results, is one if it is there at all.

    Raises:
        ConfigError: it, or the folder of all results, is a file or a link that leads nowhere.
    """
    for place in (RESULTS, RESULTS / label):
        if place.is_dir():
            continue
        if place.is_symlink():
            raise ConfigError(
                f"{place} is a link to {place.readlink()}, which is not there; mount that disk, "
                "make that folder, or remove the link"
            )
        if place.exists():
            raise ConfigError(_wrong_kind(place, "file"))


def check_kinds(files: Iterable[Path]) -> None:
    """Check that no folder lies where one of these files of the results belongs, and no file above them.

    Raises:
        ConfigError: the first such place.
    """
    folders: set[Path] = set()
    for file in files:
        if file.is_dir():
            raise ConfigError(_wrong_kind(file, "folder"))
        folders.update(place for place in file.parents if place.is_relative_to(RESULTS))
    for folder in sorted(folders):
        if is_file(str(folder)):  # in one look: another job may be replacing the folder
            raise ConfigError(_wrong_kind(folder, "file"))


def wrong_kind(error: OSError) -> str | None:
    """What to do about a file of the results where a folder belongs, or the reverse.

    Args:
        error: of the operating system; its last file name is that of the place to be written.

    Returns:
        None if the error is of another kind, or about a place outside the results.
    """
    named = error.filename2 or error.filename
    if error.errno not in FOUND or not isinstance(named, str | bytes):
        return None
    path = Path(os.fsdecode(named))
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    place, found = project_path(there), FOUND[error.errno]
    if place is None or not place.is_relative_to(RESULTS):
        return None
    is_there = place.is_dir() if found == "folder" else place.is_file()
    return _wrong_kind(place, found) if is_there else None


def _wrong_kind(place: Path, found: str) -> str:
    wanted = {"folder": "file", "file": "folder"}[found]
    return f"{place} is a {found}, where a {wanted} belongs; move it away, then run the same command again"


def project_path(path: Path) -> Path | None:
    """A path as the run table writes it: relative to the project, below ``results/`` if it leads there.

    Args:
        path: of a file or folder, named through whatever links.

    Returns:
        None if it is outside the project, which is the current folder.
    """
    # First without following links: a file of the results may be a link into DVC's cache.
    given = (Path(os.path.normpath(Path.cwd() / path)), path.resolve())
    found = [inside for place in given if (inside := _inside(place)) is not None]
    return next((inside for inside in found if inside.is_relative_to(RESULTS)), found[0] if found else None)


def _inside(path: Path) -> Path | None:
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd())
    for home in _homes():
        for folder in (path, *path.parents):
            if _same(folder, home):
                return home / path.relative_to(folder)
    return None


def _homes() -> Iterator[Path]:
    """The project, its results and the links in these."""
    yield Path()
    yield RESULTS
    for depth in range(1, LINKED_DEPTH + 1):
        yield from (folder for folder in RESULTS.glob("/".join("*" * depth)) if folder.is_symlink())


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
