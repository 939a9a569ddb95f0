"""The tables that phases write (``<name>.parquet``), and the schema of the episodes table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TABLES = {
    "collect": ("expert_games", "expert_dungeon", "expert_recordings", "visits"),
    "finetune": ("training",),
    "evaluate": ("episodes", "representation", "states", "dungeon", "attempts"),
}
PHASE_OF_TABLE = {name: phase for phase, names in TABLES.items() for name in names}

# In training: then the probe's name, exactly as in episodes. The value is a step; NaN: never within the run.
FIRST_VISIT = "first_visit_"
FIRST_UPDATE = "learning_rate"  # in training: logged from the first update on, at the step before it
EPISODES = "episodes"
EXPERT = "expert"  # in place of a method, in tables written by collect
# One row per probe, episode and measure; episode -1 is for measures of the policy itself. Each letter is the
# column's numpy kind: O text, i integer, f floating point.
EPISODES_SCHEMA: Mapping[str, str] = {
    "domain": "O",
    "experiment": "O",
    "condition": "O",  # "" if the experiment has only one condition
    "method": "O",
    "seed": "i",
    "step": "i",  # of the milestone
    "probe": "O",
    "group": "O",  # close, far or whole
    "start": "i",  # index of the start state; NO_START where an episode begins as any game does
    "episode": "i",
    "measure": "O",
    "value": "f",
}
NO_EPISODE = -1  # a row that describes the policy, not one of its episodes
NO_START = -1
PI_STAR = "pi_star"  # in place of a method: pi* itself, measured once per experiment


class TableSchemaError(ValueError):
    """A table has a missing, unknown or wrongly typed column."""


def episodes_table(rows: pd.DataFrame | Iterable[Mapping[str, Any]], **identity: Any) -> pd.DataFrame:
    """The episodes table of ``rows``; ``identity`` gives the values of columns that ``rows`` lack.

    ``start`` may be missing, in all rows or some, where no episode has a start state.

    Raises:
        TableSchemaError: a column is missing, unknown, or not of the kind in ``EPISODES_SCHEMA``.
    """
    import pandas as pd

    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if "start" in table:
        table = table.assign(start=table["start"].fillna(NO_START).astype("int64"))
    identity = {"start": NO_START} | identity
    table = table.assign(**{name: value for name, value in identity.items() if name not in table})
    missing = [name for name in EPISODES_SCHEMA if name not in table]
    if unknown := [name for name in table if name not in EPISODES_SCHEMA] + missing:
        raise TableSchemaError(
            f"episodes: {', '.join(map(str, unknown))} missing or unknown; "
            f"the columns are {', '.join(EPISODES_SCHEMA)}"
        )
    for name, kind in EPISODES_SCHEMA.items():
        if table[name].dtype.kind != kind:
            raise TableSchemaError(f"episodes: column {name} is {table[name].dtype}, not of kind '{kind}'")
    return table[list(EPISODES_SCHEMA)]


def with_identity(
    table: pd.DataFrame, *, domain: str, experiment: str, method: str | None, seed: int
) -> pd.DataFrame:
    """A run's table with the columns that tell it from other runs' tables.

    Args:
        table: as the run wrote it; a column ``seed`` that it has already is kept.
        domain: of the experiment.
        experiment: its name.
        method: None for what ``collect`` wrote; the column then says ``EXPERT``.
        seed: the run's first seed.
    """
    identity = {"domain": domain, "experiment": experiment, "method": method or EXPERT}
    return table.assign(**identity, **({} if "seed" in table else {"seed": seed}))


def join(tables: Iterable[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of many runs, concatenated by name."""
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {}
    for found in tables:
        for name, table in found.items():
            parts.setdefault(name, []).append(table)
    return {name: pd.concat(several, ignore_index=True) for name, several in parts.items()}
