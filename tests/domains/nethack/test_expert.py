"""The symbolic player: paths, memory of levels, replies, recorded games."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nle import nethack

from fpc.domains.nethack.action_space import ACTION_OF_KEY, KEYS
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.expert import GameRecord, Player, play_game, play_games
from fpc.domains.nethack.expert.glyphs import KIND_OF_GLYPH, Kind
from fpc.domains.nethack.expert.grid import COLUMNS, ROWS, WIDTH, Search, cells, mask_of, plane
from fpc.domains.nethack.expert.hidden_passages import cell_to_search
from fpc.domains.nethack.expert.level import Level
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.recordings import index_recordings

ENVIRONMENT = EnvironmentOptions(character="mon-hum-neu-mal", max_steps=100_000, no_progress_limit=150)
SYMBOLS = {" ": 0, "|": 1, "-": 2, "'": 13, "+": 15, ".": 19, "#": 21, "<": 23, ">": 24, "^": 42}
FLOATING_EYE = next(n for n in range(nethack.NUMMONS) if nethack.permonst(n).mname == "floating eye")
NEWT = next(n for n in range(nethack.NUMMONS) if nethack.permonst(n).mname == "newt")
MONK = next(n for n in range(nethack.NUMMONS) if nethack.permonst(n).mname == "monk")


def glyphs_of(*lines: str) -> np.ndarray:
    """Glyphs int16 [21, 79] of a drawing whose first line is row 1 and whose first column is column 0."""
    glyphs = np.full((ROWS, COLUMNS), nethack.GLYPH_CMAP_OFF, dtype=np.int16)
    monsters = {"@": MONK, "n": NEWT, "e": FLOATING_EYE}
    for row, line in enumerate(lines, start=1):
        for column, character in enumerate(line):
            if character in monsters:
                glyphs[row, column] = nethack.GLYPH_MON_OFF + monsters[character]
            else:
                glyphs[row, column] = nethack.GLYPH_CMAP_OFF + SYMBOLS[character]
    return glyphs


def cell(row: int, column: int) -> int:
    return row * WIDTH + column


def observation(
    glyphs: np.ndarray,
    *,
    message: str = "",
    question: bool = False,
    waits: bool = False,
    hp: int = 14,
    turn: int = 1000,
    hunger: int = 1,
) -> dict[str, np.ndarray]:
    """NLE's observations for a player at the position of the monk's glyph."""
    rows, columns = np.nonzero(glyphs == nethack.GLYPH_MON_OFF + MONK)
    status = np.zeros(nethack.BLSTATS_SHAPE, dtype=np.int64)
    status[[nethack.NLE_BL_X, nethack.NLE_BL_Y]] = columns[0], rows[0]
    status[[nethack.NLE_BL_HP, nethack.NLE_BL_HPMAX]] = hp, 14
    status[[nethack.NLE_BL_TIME, nethack.NLE_BL_HUNGER]] = turn, hunger
    status[nethack.NLE_BL_DEPTH] = status[nethack.NLE_BL_DLEVEL] = status[nethack.NLE_BL_XP] = 1
    letters = np.zeros(55, dtype=np.uint8)
    classes = np.full(55, nethack.MAXOCLASSES, dtype=np.uint8)
    texts = np.zeros((55, 80), dtype=np.uint8)
    letters[0], classes[0] = ord("h"), nethack.FOOD_CLASS
    texts[0, :17] = np.frombuffer(b"3 uncursed apples", dtype=np.uint8)
    return {
        "glyphs": glyphs,
        "blstats": status,
        "message": np.frombuffer(message.encode().ljust(256, b"\0"), dtype=np.uint8),
        "misc": np.array([question, False, waits], dtype=np.int32),
        "inv_letters": letters,
        "inv_oclasses": classes,
        "inv_strs": texts,
    }


def pressed(player: Player, seen: dict[str, np.ndarray]) -> str:
    return chr(KEYS[player.act(seen)])


@pytest.fixture
def player() -> Player:
    fresh = Player()
    fresh.reset(0)
    return fresh


def test_planes_and_masks_are_inverse() -> None:
    mask = np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.3
    assert (mask_of(plane(mask)) == mask).all()
    assert cells(plane(mask)) == [cell(row, column) for row, column in np.argwhere(mask).tolist()]


def test_search_takes_the_shortest_path_and_enters_doors_orthogonally() -> None:
    # row 1: S . . .   to the door D: 3 steps if entered diagonally, 4 if orthogonally
    # row 2:     . D
    ground = sum(1 << cell(1, column) for column in range(3)) | 1 << cell(2, 2) | 1 << cell(2, 3)
    door = 1 << cell(2, 3)
    assert Search(cell(1, 0), ground, 0, door).path() == [cell(1, 1), cell(2, 2), cell(2, 3)]
    blocked = ground & ~(1 << cell(2, 2)) | 1 << cell(1, 3)
    assert Search(cell(1, 0), blocked, door, door).path() == [
        cell(1, 1),
        cell(1, 2),
        cell(1, 3),
        cell(2, 3),
    ]
    assert not Search(cell(1, 0), blocked & ~(1 << cell(1, 3)), door, door).found


def test_search_does_not_wrap_around_the_map() -> None:
    ground = 1 << cell(3, COLUMNS - 1) | 1 << cell(4, 0)
    assert Search(cell(3, COLUMNS - 1), ground, 0, 1 << cell(4, 0)).found == 0


def test_kinds_of_glyphs() -> None:
    def monster(number: int) -> int:
        return int(KIND_OF_GLYPH[nethack.GLYPH_MON_OFF + number])

    assert (monster(NEWT), monster(FLOATING_EYE)) == (Kind.MONSTER, Kind.PASSIVE)
    assert KIND_OF_GLYPH[nethack.GLYPH_PET_OFF + NEWT] == Kind.PET
    assert KIND_OF_GLYPH[nethack.GLYPH_CMAP_OFF + SYMBOLS[">"]] == Kind.DOWN


def test_level_remembers_the_ground_under_monsters_and_out_of_sight() -> None:
    level = Level()
    level.look(glyphs_of("@>.#"), cell(1, 0), 1)
    level.look(glyphs_of("@n  "), cell(1, 0), 2)
    assert cells(level.down) == [cell(1, 1)]
    assert level.passable >> cell(1, 2) & 1
    assert level.terrain[1, 3] == Kind.CORRIDOR


def test_hidden_passages_are_searched_for_at_the_end_of_a_corridor() -> None:
    level = Level()
    level.look(glyphs_of("-----", "|...|", "|.@.'####", "|...|", "-----"), cell(3, 2), 1)
    search = Search(level.here, level.passable, level.doors)
    assert cell_to_search(level, search) == cell(3, 8)
    level.searched[cell(3, 8)] = 4
    assert cell_to_search(level, search) != cell(3, 8)


def test_walks_to_stairs_and_takes_them(player: Player) -> None:
    rooms = ["|@...>|", "|.@..>|", "|..@.>|", "|...@>|", "|....@|"]
    seen = [observation(glyphs_of("-------", room, "-------")) for room in rooms]
    assert [pressed(player, room) for room in seen] == ["l", "l", "l", "l", ">"]


def test_fights_adjacent_monsters_unless_passive_or_peaceful(player: Player) -> None:
    newt = glyphs_of("-------", "|@n.>.|", "-------")
    assert pressed(player, observation(newt)) == "l"
    assert pressed(player, observation(newt, message="Really attack the newt?", question=True)) == chr(27)
    assert pressed(player, observation(newt)) != "l"

    player.reset(1)
    eye = glyphs_of("-------", "|@e.>.|", "|.....|", "-------")
    assert pressed(player, observation(eye)) == "n"  # around it


def test_answers_prompts_first(player: Player) -> None:
    newt = glyphs_of("-------", "|@n.>.|", "-------")
    assert pressed(player, observation(newt, message="You die...--More--", waits=True)) == "\r"
    assert pressed(player, observation(newt, message="Really step in?", question=True)) == chr(27)


def test_prays_near_death_and_not_twice_in_a_row(player: Player) -> None:
    near_death = glyphs_of("-------", "|@n.>.|", "-------")
    assert pressed(player, observation(near_death, hp=2)) == chr(0x80 | ord("p"))
    asked = observation(near_death, hp=2, message="Are you sure you want to pray? [yn] (n)", question=True)
    assert pressed(player, asked) == "y"
    assert pressed(player, observation(near_death, hp=2, turn=1010)) == "l"


def test_eats_when_hungry(player: Player) -> None:
    room = glyphs_of("-------", "|@...>|", "-------")
    assert pressed(player, observation(room, hunger=2)) == "e"
    asked = observation(room, hunger=2, message="What do you want to eat? [h or ?*]", question=True)
    assert pressed(player, asked) == "h"


def test_a_game_descends_and_is_reproducible() -> None:
    record = play_game(ENVIRONMENT, Player(), 7, 400)
    again = play_game(ENVIRONMENT, Player(), 7, 400)
    assert record.metrics["depth"] >= 2
    assert record.as_json() == again.as_json()
    assert GameRecord.from_json(record.as_json()).as_json() == record.as_json()
    assert set(record.metrics) == set(METRICS)
    assert [depth for _, depth in record.trajectory[:2]] == [1, 2]


def test_level_entries_are_reached_by_replaying_the_actions() -> None:
    record = play_game(ENVIRONMENT, Player(), 7, 400)
    environment = NetHackEnvironment(ENVIRONMENT)
    environment.reset(seed=7)
    for action in record.actions[: record.level_entries[2] - 1].tolist():
        environment.step(action)
    assert environment.metrics.depth == 1
    environment.step(int(record.actions[record.level_entries[2] - 1]))
    assert environment.metrics.depth == 2
    environment.close()


def test_reaches_depth_and_score_beyond_random_play() -> None:
    records = play_games(ENVIRONMENT, range(20), 500, None, 1)
    assert np.mean([record.metrics["depth"] for record in records]) >= 3
    assert np.mean([record.metrics["score"] for record in records]) >= 200


def test_recordings_hold_the_players_actions(tmp_path: Path) -> None:
    folder = tmp_path / "games"
    done: list[tuple[int, int]] = []
    records = play_games(ENVIRONMENT, [5, 3], 60, folder, 2, lambda count, total: done.append((count, total)))
    assert done == [(1, 2), (2, 2)]
    assert [record.seed for record in records] == [5, 3]
    recordings = index_recordings(folder, tmp_path / "games.db")
    read = [recordings.open(game).read(1000).actions.tolist() for game in recordings.games]
    assert sorted(read) == sorted(record.actions.tolist() for record in records)
    assert [record.steps for record in records] == [60, 60]


def test_recorded_games_are_not_played_again(tmp_path: Path) -> None:
    first = play_games(ENVIRONMENT, [3], 30, tmp_path, 1)
    recording = next((tmp_path / "000003").glob("*.ttyrec3.bz2"))
    written = recording.stat().st_mtime_ns
    second = play_games(ENVIRONMENT, [3], 30, tmp_path, 1)
    assert second[0].as_json() == first[0].as_json()
    assert recording.stat().st_mtime_ns == written
    assert play_games(ENVIRONMENT, [3], 20, tmp_path, 1)[0].steps == 20


def test_an_interrupted_game_is_started_again(tmp_path: Path) -> None:
    (tmp_path / ".000003.part").mkdir()
    (tmp_path / ".000003.part" / "nle.1.0.ttyrec3.bz2").write_bytes(b"half")
    play_games(ENVIRONMENT, [3], 20, tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["000003"]
    assert len(list((tmp_path / "000003").glob("*.ttyrec3.bz2"))) == 1


def test_seeds_given_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="seeds"):
        play_games(ENVIRONMENT, [1, 1], 10, None, 1)


def test_every_key_of_the_player_is_an_action() -> None:
    used = [*map(ord, "hjklyubn>_.20sFqey"), 13, 27, 4, 0x80 | ord("p")]
    assert (ACTION_OF_KEY[used] >= 0).all()


def test_stays_out_of_shops(player: Player) -> None:
    outside = glyphs_of("-----    ", "|...|    ", "|...'@..#", "|...|    ", "-----    ")
    assert pressed(player, observation(outside)) == "h"
    door = glyphs_of("-----    ", "|...|    ", "|...@...#", "|...|    ", "-----    ")
    welcome = "Hello, Agent!  Welcome to Feyfer's general store!--More--"
    assert pressed(player, observation(door, message=welcome, waits=True)) == "\r"
    assert pressed(player, observation(door)) == "l"
