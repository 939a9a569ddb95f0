"""Tables derived from others by the rules of the game, for plots of rooms and films of attempts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fpc.core.files import write_with
from fpc.domains.montezuma.rooms import ROOM_OF_RAM, grid_position

# A room in cells of eight pixels: x from 0 to 159, y from 120 (its floor) to 255.
WIDE, LOW, HIGH = 20, 15, 32


def rooms(visits: pd.DataFrame) -> pd.DataFrame:
    """Visits in each of the 24 rooms, which are numbered in the order of visits.

    Args:
        visits: columns ``room, x, y, visits``; x and y in cells of eight pixels.

    Returns:
        Columns ``room``, ``row``, ``column`` (in the pyramid, from 0), ``counts`` (float64 ``[17, 20]``,
        floor first; None for a room without visits).
    """
    found = []
    for room in sorted(ROOM_OF_RAM.values()):
        rows = visits[visits["room"] == room]
        counts = np.zeros((HIGH - LOW, WIDE)) if len(rows) else None
        if counts is not None:
            cells = (rows["y"].clip(LOW, HIGH - 1) - LOW, rows["x"].clip(0, WIDE - 1))
            np.add.at(counts, cells, rows["visits"])
        found.append((room, *grid_position(room), counts))
    return pd.DataFrame(found, columns=["room", "row", "column", "counts"])


def draw_rooms(visits: pd.DataFrame, path: Path) -> None:
    """Draw the pyramid of rooms with all visits as PNG; ``visits`` has the columns room, x, y, visits."""
    from matplotlib.figure import Figure

    from fpc.core.grid_map import draw_grid_map
    from fpc.core.plotting import own_settings

    most = float(visits["visits"].max()) if len(visits) else 1.0
    with own_settings():
        figure = Figure(figsize=(6.75, 3.4), layout="constrained")
        draw_grid_map(figure.subplots(), rooms(visits), most)
        write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


def frames(attempts: pd.DataFrame) -> pd.DataFrame:
    """Frames of attempts while they are in their room, from a deterministic replay of their actions.

    Args:
        attempts: columns ``probe`` (``room_<n>``), ``seed``, ``start`` and ``actions`` (hexadecimal, two
            digits each, as executed by the game), ``digest`` (of the RAM after ``start``).

    Returns:
        Columns ``attempt`` (index of the row in ``attempts``), ``frame`` (0 is the start), ``rgb`` (uint8
        ``[153, 160, 3]``).

    Raises:
        ValueError: a replay did not reach its start state.
    """
    from fpc.domains.montezuma.emulator import Emulator
    from fpc.domains.montezuma.filming import film
    from fpc.domains.montezuma.start_states import StartState

    emulator = Emulator()
    found = []
    for attempt, (probe, seed, start, digest, actions) in enumerate(
        attempts[["probe", "seed", "start", "digest", "actions"]].itertuples(index=False)
    ):
        room = int(str(probe).removeprefix("room_"))
        state = StartState(room, int(seed), tuple(bytes.fromhex(start)), str(digest))
        shown = film(emulator, state, bytes.fromhex(actions))
        found += [(attempt, number, rgb) for number, rgb in enumerate(shown)]
    return pd.DataFrame(found, columns=["attempt", "frame", "rgb"])


DERIVED = {"rooms": rooms, "frames": frames}
