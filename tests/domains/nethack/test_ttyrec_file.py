"""A recording is read whole and right, or refused by the name of its file."""

from __future__ import annotations

import bz2
import re
import shutil
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fpc.domains.nethack.recordings import index_recordings
from fpc.domains.nethack.ttyrec import RecordingReader
from fpc.domains.nethack.ttyrec_file import FRAME, SCORE

from .recorded_games import record, write_ttyrec

RECORDED_BY_NLE = Path(str(files("nle"))) / "tests" / "nle.2783801.0.ttyrec3.bz2"


def decoded(path: Path) -> tuple[list[int], bytes, list[int]]:
    """Actions, screens and scores of a recording."""
    frames = RecordingReader([path], 3, 1).read(10_000)
    return frames.actions.tolist(), frames.tty_chars.tobytes(), frames.scores.tolist()


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of a real game of some hundred steps."""
    folder = tmp_path_factory.mktemp("recorded")
    record(folder, [1], 400)
    return next(folder.rglob("*.ttyrec3.bz2"))


@pytest.mark.parametrize("whole_frames", [True, False])
def test_a_recording_in_several_bz2_streams_is_read_whole(
    game: Path, tmp_path: Path, whole_frames: bool
) -> None:
    content = bz2.decompress(game.read_bytes())
    _, _, length, _ = FRAME.unpack_from(content, 0)
    first = FRAME.size + length if whole_frames else FRAME.size + 1  # the second cuts a frame in two
    cuts = (0, first, len(content) // 2, len(content))
    several = tmp_path / "several.ttyrec3.bz2"
    several.write_bytes(b"".join(bz2.compress(content[a:b]) for a, b in pairwise(cuts)))
    assert len(decoded(game)[0]) > 100
    assert decoded(several) == decoded(game)


def test_no_damaged_byte_changes_a_game(game: Path, tmp_path: Path) -> None:
    content, right, refused = game.read_bytes(), decoded(game), []
    damaged = tmp_path / "damaged.ttyrec3.bz2"
    for position in np.linspace(0, len(content) - 1, 40).astype(int):
        changed = bytearray(content)
        changed[position] ^= 0x55
        damaged.write_bytes(changed)
        try:
            assert decoded(damaged) == right  # a few bits of bz2 mean nothing
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) >= 35
    problems = re.compile(rf"{damaged}: the recording (is damaged|is truncated)")
    assert all(problems.match(words) for words in refused), refused


@pytest.mark.parametrize(
    ("ending", "problem"), [(b"garbage after the end", "is damaged"), (b"BZ", "truncated"), (b"\0", "")]
)
def test_bytes_after_the_end_are_refused(game: Path, tmp_path: Path, ending: bytes, problem: str) -> None:
    longer = tmp_path / "longer.ttyrec3.bz2"
    longer.write_bytes(game.read_bytes() + ending)
    with pytest.raises(ValueError, match=rf"longer\.ttyrec3\.bz2: .*{problem}"):
        decoded(longer)


@pytest.mark.parametrize("position", [-1, 5])
def test_content_cut_within_a_frame_is_refused(game: Path, tmp_path: Path, position: int) -> None:
    cut = tmp_path / "cut.ttyrec3.bz2"
    cut.write_bytes(bz2.compress(bz2.decompress(game.read_bytes())[:position]))
    with pytest.raises(ValueError, match=r"cut\.ttyrec3\.bz2: the recording is truncated"):
        decoded(cut)


def test_a_web_page_is_not_a_recording(tmp_path: Path) -> None:
    page = tmp_path / "page.ttyrec3.bz2"
    page.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"page\.ttyrec3\.bz2: the recording is damaged, or not bz2"):
        decoded(page)
    page.write_bytes(bz2.compress(page.read_bytes()))
    with pytest.raises(ValueError, match=r"page\.ttyrec3\.bz2: not a valid ttyrec3"):
        decoded(page)


def without_scores(path: Path, target: Path) -> None:
    """The same game as ttyrec version 2, which has no scores."""
    content, kept, position = bz2.decompress(path.read_bytes()), b"", 0
    while position < len(content):
        _, _, length, channel = FRAME.unpack_from(content, position)
        end = position + FRAME.size + length
        kept += b"" if channel == SCORE else content[position:end]
        position = end
    target.write_bytes(bz2.compress(kept))


def test_recordings_without_scores_are_refused_by_version_and_by_content(game: Path, tmp_path: Path) -> None:
    older = tmp_path / "nle.1.0.ttyrec3.bz2"
    without_scores(game, older)
    with pytest.raises(ValueError, match=r"nle\.1\.0\.ttyrec3\.bz2: no score before key 0"):
        decoded(older)
    with pytest.raises(ValueError, match=r"nle\.1\.0.*recorded as ttyrec version 2, but only version 3"):
        RecordingReader([older], 2, 1)


def test_a_folder_of_an_older_version_is_refused_when_it_is_listed(game: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older" / "games"
    folder.mkdir(parents=True)
    for path in game.parent.iterdir():
        if path.suffix == ".bz2":
            shutil.copy(path, folder / path.name.replace("ttyrec3", "ttyrec2"))
    log = next(game.parent.glob("*.xlogfile"))
    (folder / log.name).write_bytes(log.read_bytes().replace(b"ttyrec3", b"ttyrec2"))
    with pytest.raises(ValueError, match=r"older: recorded as ttyrec version 2, but only version 3"):
        index_recordings(tmp_path / "older", tmp_path / "games.db")


def test_a_damaged_list_of_games_is_refused_by_its_folder(game: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(game.parent, tmp_path / "games" / "one")
    log = next(folder.glob("*.xlogfile"))
    content = log.read_bytes()
    for changed in (content.replace(b"turns=", b"turns=\xff"), content.replace(b"points=", b"points=x")):
        log.write_bytes(changed)
        with pytest.raises(ValueError, match=r"games: nle\.dataset cannot read the recordings"):
            index_recordings(tmp_path / "games", tmp_path / "games.db")


def test_a_recording_that_others_made_is_read(tmp_path: Path) -> None:
    """The one in NLE's own tests; 69 keys were pressed in it, of which NLE pressed the last few."""
    actions, _, scores = decoded(RECORDED_BY_NLE)
    assert 60 <= len(actions) <= 69
    assert len(scores) == len(actions)
    write_ttyrec(tmp_path / "tiny.bz2", [(1, b"a", ord("h"))])
    assert decoded(tmp_path / "tiny.bz2")[2] == [7]
