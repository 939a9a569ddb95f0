"""Which phase leaves which tables; each is ``<name>.parquet`` in a run's folder."""

from __future__ import annotations

TABLES = {
    "collect": ("expert_games", "expert_dungeon", "visits"),
    "finetune": ("training",),
    "evaluate": ("episodes", "representation", "states", "dungeon", "attempts"),
}
PHASE_OF_TABLE = {name: phase for phase, names in TABLES.items() for name in names}
