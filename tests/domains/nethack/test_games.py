from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fpc.domains.nethack.config import SourceOptions
from fpc.domains.nethack.environment import begin_game, make_game
from fpc.domains.nethack.expert_sequences import StreamedSequences
from fpc.domains.nethack.frames import dungeon_depths
from fpc.domains.nethack.games import (
    OBSERVATIONS,
    GameOrder,
    GameStreams,
    LoadedGames,
    count_steps,
    load_all,
    read_game,
)
from fpc.domains.nethack.recordings import Recordings, index_recordings
from fpc.domains.nethack.sources import read_game_list, write_game_list
from fpc.domains.nethack.ttyrec import RecordingReader

from .recorded_games import ALL_GAMES, MONK, Played, chosen_games, record, write_ttyrec

STEPS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="module")
def played(folder: Path) -> list[Played]:
    # Seeds 0 to 7 begin with and without a `--More--`.
    monks = record(folder / "monks", range(8), STEPS)
    return [*monks, *record(folder / "valkyries", [3, 4], STEPS, "val-dwa-law-fem")]


@pytest.fixture(scope="module")
def recordings(folder: Path, played: list[Played]) -> Recordings:
    return index_recordings(folder, folder.parent / "state" / "games.db", ALL_GAMES)


def test_a_recording_equals_the_game_as_observed_live(recordings: Recordings, played: list[Played]) -> None:
    assert len(recordings.games) == len(played)
    found = []
    for game in recordings.games:
        frames = read_game(recordings, game)
        (number,) = (
            number
            for number, live in enumerate(played)
            if np.array_equal(live.tty_chars, frames.tty_chars)
            and np.array_equal(live.actions, frames.actions)
        )
        live = played[number]
        for name in ("tty_colors", "tty_cursor", "previous_action"):
            recorded = getattr(frames, name)
            assert recorded.dtype == np.uint8
            assert np.array_equal(recorded, getattr(live, name)), name
        assert frames.starts.tolist() == [True] + [False] * (len(frames) - 1)
        found.append(number)
    assert sorted(found) == list(range(len(played)))


def test_the_order_of_games_does_not_depend_on_the_names_of_files(
    folder: Path, recordings: Recordings, tmp_path: Path
) -> None:
    for number, old in enumerate(sorted(folder.glob("*/"), reverse=True)):
        new = tmp_path / "deeper" / "down" / str(number)
        new.mkdir(parents=True)
        for file in old.iterdir():
            (new / file.name).write_bytes(file.read_bytes())
    again = index_recordings(tmp_path / "deeper", tmp_path / "again.db", ALL_GAMES)
    for game in recordings.games:
        first, second = read_game(recordings, game), read_game(again, game)
        assert np.array_equal(first.tty_chars, second.tty_chars)
        assert np.array_equal(first.actions, second.actions)


def test_games_are_filtered_by_character(folder: Path, recordings: Recordings, tmp_path: Path) -> None:
    valkyries = SourceOptions(kind="nld_aa", games=9, max_steps=1, role="Val", race="Dwa", alignment="Law")
    assert len(index_recordings(folder, tmp_path / "a.db", valkyries).games) == 2
    monks = SourceOptions(kind="nld_aa", games=3, max_steps=1, role="Mon")
    assert len(index_recordings(folder, tmp_path / "b.db", monks).games) == 3
    nobody = SourceOptions(kind="nld_aa", games=9, max_steps=1, role="Mon", race="Elf")
    message = r"role=Mon, race=Elf; available: Mon-Hum-Neu \(8 games\), Val-Dwa-Law \(2 games\)"
    with pytest.raises(ValueError, match=message):
        index_recordings(folder, tmp_path / "c.db", nobody)
    with pytest.raises(ValueError, match="no recordings found"):
        index_recordings(tmp_path, tmp_path / "d.db")


def test_a_folder_whose_name_is_a_pattern_is_read(
    folder: Path, recordings: Recordings, tmp_path: Path
) -> None:
    place = tmp_path / "games [1]" / "every*"
    shutil.copytree(folder, place)
    found = index_recordings(place, tmp_path / "state [2]" / "games.db")
    assert [found.by_game[game].files for game in found.games] == [
        recordings.by_game[game].files for game in recordings.games
    ]
    log = min(place.rglob("*.xlogfile"))
    log.parent.rename(log.parent.with_name("day [1]"))
    with pytest.raises(ValueError, match=r"day \[1\]/nle.*rename it without any of"):
        index_recordings(place, tmp_path / "games.db")


def test_a_list_of_games_without_its_recordings_is_named(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "games"
    shutil.copytree(folder, place)
    log = min(place.rglob("*.xlogfile"))
    for path in log.parent.glob("*.bz2"):
        path.rename(path.with_name(path.name.replace("ttyrec3", "ttyrec4")))
    first = next(log.parent.glob("*.bz2"))
    shutil.copy(first, first.with_name(first.name.replace("ttyrec4", "ttyrec3")))
    with pytest.raises(ValueError, match=r"several versions beside it \(ttyrec3, ttyrec4\)"):
        index_recordings(place, tmp_path / "games.db")
    for path in log.parent.glob("*.bz2"):
        path.unlink()
    with pytest.raises(ValueError, match=rf"{log.name}: no recordings .* beside it; fetch or copy"):
        index_recordings(place, tmp_path / "games.db")


def test_streams_read_every_game_once_before_repeating_any(recordings: Recordings) -> None:
    lengths = count_steps(recordings)
    streams = GameStreams(recordings, 3, 16, seed=5)
    seen: list[list[bytes]] = [[], [], []]
    batches = -(-2 * sum(lengths.values()) // (3 * 16))
    for _ in range(batches):
        batch = streams.next()
        for stream, content in enumerate(seen):
            for step in range(16):
                if batch.starts[step, stream]:
                    content.append(b"")
                screen = batch.observations["tty_chars"][step, stream].numpy().tobytes()
                content[-1] += screen + bytes([int(batch.actions[step, stream])])
    whole = {}
    for game in recordings.games:
        frames = read_game(recordings, game)
        rows = zip(frames.tty_chars, frames.actions.tolist(), strict=True)
        whole[b"".join(screen.tobytes() + bytes([action]) for screen, action in rows)] = game
    read = [whole[content] for stream in seen for content in stream[:-1]]  # the last may be unfinished
    assert set(read) == set(recordings.games)
    assert max(read.count(game) for game in recordings.games) <= 3
    assert streams.order.taken == len(read) + 3


def test_games_in_memory_give_the_same_sequences_also_after_a_resume(recordings: Recordings) -> None:
    loaded = load_all(recordings, 10_000)
    assert len(loaded) == sum(count_steps(recordings).values())
    from_file, from_memory = (GameStreams(source, 3, 20, seed=1) for source in (recordings, loaded))
    state: dict[str, torch.Tensor] = {}
    expected = []
    for number in range(24):
        if number == 12:
            state = from_file.state_dict()
        one, other = from_file.next(), from_memory.next()
        for name in OBSERVATIONS:
            assert torch.equal(one.observations[name], other.observations[name]), name
        for name in ("actions", "starts", "scores"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        if number >= 12:
            expected.append(one)
    for source in (recordings, loaded):
        resumed = GameStreams(source, 3, 20, seed=1)
        resumed.load_state_dict(state)
        for batch in expected:
            again = resumed.next()
            assert torch.equal(again.actions, batch.actions)
            assert torch.equal(again.starts, batch.starts)
            assert all(
                torch.equal(again.observations[name], batch.observations[name]) for name in OBSERVATIONS
            )


def test_sequences_read_ahead_are_the_same_also_after_a_resume_in_the_middle(recordings: Recordings) -> None:
    plain = GameStreams(recordings, 3, 20, seed=1)
    ahead = StreamedSequences(recordings, 3, 20, seed=1)
    state: dict[str, torch.Tensor] = {}
    expected = []
    for number in range(16):
        one, other = plain.next(), ahead.next()
        assert other.observations is not None
        assert all(torch.equal(one.observations[name], other.observations[name]) for name in OBSERVATIONS)
        assert torch.equal(one.actions, other.actions)
        assert torch.equal(one.starts, other.starts)
        position = plain.state_dict()
        assert all(torch.equal(value, position[name]) for name, value in ahead.state_dict().items())
        if number == 7:
            state = ahead.state_dict()
        elif number > 7:
            expected.append(one)
    resumed = StreamedSequences(recordings, 3, 20, seed=1)
    for again in (resumed, ahead):  # new, and moved back
        again.load_state_dict(state)
        for batch in expected:
            sequence = again.next()
            assert sequence.observations is not None
            assert torch.equal(sequence.observations["tty_chars"], batch.observations["tty_chars"])
            assert sequence.actions is not None
            assert torch.equal(sequence.actions, batch.actions)


def test_a_recording_that_cannot_be_read_ends_the_learning_with_its_name(
    recordings: Recordings, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recordings.folder, copy)
    broken = index_recordings(copy, tmp_path / "games.db", ALL_GAMES)
    for path in copy.rglob("*.ttyrec*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"\.ttyrec"):
        StreamedSequences(broken, 2, 8, seed=0).next()


class CountingGames:
    """Games that record which of them were opened."""

    def __init__(self, games: LoadedGames) -> None:
        self.inner, self.games, self.opened = games, games.games, list[int]()

    def open(self, game: int):  # type: ignore[no-untyped-def]
        self.opened.append(game)
        return self.inner.open(game)


def test_a_resume_reads_only_the_current_games() -> None:
    games = chosen_games([7] * 30)
    streams = GameStreams(games, 2, 10, seed=0)
    for _ in range(15):
        streams.next()
    counting = CountingGames(games)
    resumed = GameStreams(counting, 2, 10, seed=0)  # type: ignore[arg-type]
    resumed.load_state_dict(streams.state_dict())
    assert counting.opened == streams.order.current


def test_a_state_of_other_streams_or_games_is_refused() -> None:
    state = GameOrder(range(5), 2, 0)
    state.take(0)
    with pytest.raises(ValueError, match="2 streams, not 3"):
        GameOrder(range(5), 3, 0).load_state_dict(state.state_dict())
    with pytest.raises(ValueError, match="unknown games"):
        GameOrder([7, 8], 2, 0).load_state_dict(state.state_dict())
    with pytest.raises(ValueError, match="no games"):
        GameOrder([], 2, 0)


def test_memory_holds_whole_games_up_to_the_limit() -> None:
    games = chosen_games([5, 6, 7])
    loaded = load_all(games, 12)
    assert loaded.games == (0, 1)
    assert len(loaded) == 11
    with pytest.raises(ValueError, match="allow more transitions"):
        load_all(games, 4)


def test_a_missing_or_truncated_recording_is_refused(
    folder: Path, played: list[Played], tmp_path: Path
) -> None:
    source = max(folder.glob("*/*.bz2"), key=lambda path: path.stat().st_size)
    content = source.read_bytes()
    with pytest.raises(ValueError, match=r"gone\.ttyrec3\.bz2: the recording cannot be read"):
        RecordingReader([tmp_path / "gone.ttyrec3.bz2"], 3, 1)
    for length in (0, 5, len(content) // 2, len(content) - 3):
        cut = tmp_path / f"cut_{length}.ttyrec3.bz2"
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=f"cut_{length}.*is truncated"):
            RecordingReader([cut], 3, 1)


def test_a_key_that_no_action_presses_is_refused(tmp_path: Path) -> None:
    game = make_game(MONK, savedir=tmp_path / "one")
    begin_game(game, 0)
    game.nethack.step(0x16)  # control-v
    game._quit_game(game.last_observation, False)
    game.close()
    recordings = index_recordings(tmp_path, tmp_path / "games.db")
    with pytest.raises(ValueError, match=r"ttyrec3.bz2: mismatched action space: .* presses key 22;"):
        read_game(recordings, 0)


def test_a_game_in_several_files_is_read_as_one(folder: Path, played: list[Played], tmp_path: Path) -> None:
    write_ttyrec(tmp_path / "0.bz2", [(10, b"\x1b[2Jone", ord("h")), (20, b"!", ord("j"))])
    write_ttyrec(tmp_path / "1.bz2", [(35, b"\x1b[2Jtwo", ord("k"))])
    frames = RecordingReader([tmp_path / "0.bz2", tmp_path / "1.bz2"], 3, 1).read(10)
    assert [bytes(screen[0]).strip() for screen in frames.tty_chars] == [b"one", b"one!", b"two"]
    assert frames.starts.tolist() == [True, False, False]
    assert frames.previous_action[1:, 0].tolist() == frames.actions[:-1].tolist()
    assert frames.scores.tolist() == [7, 7, 7]


def test_a_jump_of_a_frame_counter_starts_a_game(tmp_path: Path) -> None:
    times = [1, 2, 3, 4, 9, 10, 11]
    write_ttyrec(tmp_path / "0.bz2", [(time, b".", ord("h")) for time in times])
    frames = RecordingReader([tmp_path / "0.bz2"], 3, 1).read(10)
    assert frames.starts.tolist() == [True, False, False, False, True, False, False]
    reader = RecordingReader([tmp_path / "0.bz2"], 3, 1)  # the same in pieces
    pieces = [reader.read(count).starts.tolist() for count in (4, 1, 2, 5)]
    assert pieces == [[True, False, False, False], [True], [False, False], []]


def test_keys_pressed_by_nle_itself_are_dropped(tmp_path: Path) -> None:
    steps = [
        (0, b"Hello, welcome to NetHack!--More--", 32),
        (100, b"\x1b[2Ja", ord("h")),
        (200, b"b", 32),  # the player's own space
        (300, b"c", ord("j")),
        (400, b"d", 27),
        (500, b"e", 0xF1),
        (600, b"Really quit?", ord("y")),
        (700, b"Goodbye", 32),
        (800, b"Bye", 32),
    ]
    write_ttyrec(tmp_path / "0.bz2", steps)
    frames = RecordingReader([tmp_path / "0.bz2"], 3, 1).read(20)
    assert [bytes(screen[0]).strip() for screen in frames.tty_chars] == [b"a", b"ab", b"abc"]


def test_depth_is_read_from_the_bottom_line() -> None:
    lines = ["Dlvl:1 $:0", "Dlvl:12 $:3", "(end)", "Home 1 $:3", "Dlvl:3 $:0"]
    rows = np.stack([np.frombuffer(line.ljust(80).encode(), np.uint8) for line in lines])
    assert dungeon_depths(rows).tolist() == [1, 12, 12, 12, 3]
    assert dungeon_depths(rows[2:4], before=5).tolist() == [5, 5]


def test_a_list_of_games_moves_with_its_recordings(
    folder: Path, recordings: Recordings, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "games").symlink_to(folder)
    listed = Recordings(first / "games", recordings.version, recordings.by_game)
    write_game_list(first / "games.json", listed, [1, 4], beside=True)
    moved = first.rename(tmp_path / "second")
    found, held_out = read_game_list(moved / "games.json")
    assert held_out == [1, 4]
    assert found.by_game == recordings.by_game
    assert len(read_game(found, 0)) == len(read_game(recordings, 0))
    (moved / "games").unlink()
    with pytest.raises(ValueError, match=r"games.json: the recordings should be in .*second/games"):
        read_game_list(moved / "games.json")
    (moved / "games.json").write_text('{"folder": 3}')
    with pytest.raises(ValueError, match=r"games.json: not a list of recorded games"):
        read_game_list(moved / "games.json")
