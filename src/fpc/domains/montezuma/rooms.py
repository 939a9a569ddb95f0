"""Room numbers in the order of visits (paper, figure 12), converted from the game's own numbers.

The paper numbers rooms this way but prints no table. Ours is the order of first visits in our search of
the game (seed 0, a burst of 100, 3 million steps); rooms it did not reach follow in the game's own order.
"""

from __future__ import annotations

_VISITED = (1, 2, 6, 7, 5, 0, 13, 21, 12, 22, 14, 4, 3, 10, 23, 9, 11, 19, 18, 20, 17)  # the game's numbers
_ORDER = (*_VISITED, *(room for room in range(24) if room not in _VISITED))
ROOM_OF_RAM = {ram: number for number, ram in enumerate(_ORDER, start=1)}
RAM_OF_ROOM = {number: ram for ram, number in ROOM_OF_RAM.items()}
_FIRST_OF_ROW = (0, 3, 8, 15)  # the pyramid's rows have 3, 5, 7 and 9 rooms


def room_number(ram_room: int) -> int:
    """Convert the game's room number (0 to 23) to ours (1 to 24).

    Raises:
        ValueError: there is no such room.
    """
    if ram_room not in ROOM_OF_RAM:
        raise ValueError(f"the game has no room {ram_room}; its rooms are 0 to 23")
    return ROOM_OF_RAM[ram_room]


def ram_number(room: int) -> int:
    """Convert our room number (1 to 24) to the game's (0 to 23).

    Raises:
        ValueError: there is no such room.
    """
    if room not in RAM_OF_ROOM:
        raise ValueError(f"there is no room {room}; rooms are numbered 1 to 24 in the order of visits")
    return RAM_OF_ROOM[room]


def grid_position(room: int) -> tuple[int, int]:
    """Row and column in the pyramid, from 0; the three rooms of the top row are in columns 3 to 5."""
    ram = ram_number(room)
    row = max(number for number, first in enumerate(_FIRST_OF_ROW) if ram >= first)
    return row, 3 - row + ram - _FIRST_OF_ROW[row]
