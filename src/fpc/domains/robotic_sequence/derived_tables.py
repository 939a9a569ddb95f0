"""Tables derived from plotted data by the rules of the simulator, for films of attempts."""

from __future__ import annotations

import logging

import pandas as pd

logger = logging.getLogger(__name__)
COLUMNS = ["attempt", "frame", "rgb"]
PROBLEM = "problem"  # in the table's attributes: why it is empty


def frames(attempts: pd.DataFrame) -> pd.DataFrame:
    """Frames of attempts, from a replay of their actions by MuJoCo.

    Where MuJoCo cannot render, the table is empty and its attribute ``problem`` says why.

    Args:
        attempts: columns ``probe`` (``<index>_<task>``), ``start_seed``, ``digest`` (of the start state),
            ``success`` and ``actions`` (hexadecimal float32 ``[steps, 4]``).

    Returns:
        Columns ``attempt`` (index of the row in ``attempts``), ``frame`` (actions before it), ``rgb`` (uint8
        ``[200, 200, 3]``).

    Raises:
        DataError: a replay differs from its record.
    """
    from fpc.domains.robotic_sequence.filming import NoRendering, frames_of

    asked = [
        {
            "task": str(row["probe"]).partition("_")[2],
            "seed": int(row["start_seed"]),
            "digest": str(row["digest"]),
            "success": bool(row["success"]),
            "actions": str(row["actions"]),
        }
        for row in attempts.to_dict("records")
    ]
    try:
        shown = frames_of(asked)
    except NoRendering as error:
        logger.warning("no film: %s", error)
        empty = pd.DataFrame(columns=COLUMNS)
        empty.attrs[PROBLEM] = str(error)
        return empty
    rows = [
        (attempt, step, image)
        for attempt, film in zip(attempts.index, shown, strict=True)
        for step, image in film.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


DERIVED = {"frames": frames}
