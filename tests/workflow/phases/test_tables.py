"""Tables that figures read, from the artifacts of several phases."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fpc.core.files import write_json, write_table
from fpc.core.tables import PHASE_OF_TABLE
from fpc.domains import registry
from fpc.domains.registry import domain_names
from fpc.figures.catalogue import catalogue
from fpc.figures.entry import Entry
from fpc.figures.publication import derived_tables
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import build, subject
from fpc.lineage.origin import Code
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load
from fpc.workflow.run_table import figure_row, parents
from fpc.workflow.tables import TableError, read_row, read_tables


@pytest.fixture(name="configuration")
def configuration_fixture(project: Path) -> Configuration:
    """The demo scale, in an empty project."""
    return load("demo")


def collected(configuration: Configuration) -> Row:
    """A row of NetHack's collect whose artifact has the expert's games."""
    row = Row(configuration.label, "collect", "nethack", seeds=(0,))
    write_table(row.folder / "expert_games.parquet", pd.DataFrame({"episode": [0, 1], "score": [3.0, 4.0]}))
    write_table(
        row.folder / "expert_dungeon.parquet", pd.DataFrame({"episode": [0], "turn": [1], "depth": [1]})
    )
    subjects = subject(row.folder, row.folder.glob("*.parquet"))
    statement = build(
        run=row.identity,
        section={},
        subjects=subjects,
        parents={},
        externals={},
        history={"finishedOn": "2026-01-01T00:00:00+00:00"},
        code=Code(),
    )
    write_json(row.manifest, statement)
    return row


def test_games_of_the_expert_are_of_no_method(configuration: Configuration) -> None:
    games_and_dungeon = ("expert_games", "expert_dungeon")
    assert set(read_tables(configuration, [collected(configuration)], ("expert_games",))) == {"expert_games"}
    tables = read_tables(configuration, [collected(configuration)], games_and_dungeon)
    assert set(tables) == set(games_and_dungeon)
    games = tables["expert_games"]
    assert games["score"].tolist() == [3.0, 4.0]
    for table in tables.values():
        assert set(table["method"]) == {"expert"}
        assert set(table["seed"]) == {0}
        assert set(table["experiment"]) == {"nethack"}


def test_an_altered_table_is_refused(configuration: Configuration) -> None:
    row = collected(configuration)
    write_table(row.folder / "expert_games.parquet", pd.DataFrame({"episode": [0], "score": [9.0]}))
    with pytest.raises(TableError, match="altered"):
        read_row(configuration, row, ("expert_games",))


def test_figures_read_the_phases_that_make_their_tables(configuration: Configuration) -> None:
    read = {
        name: {row.phase for row in parents(configuration, figure_row(configuration, name))}
        for name in ("table_4", "figure_3a", "figure_16", "figure_7", "film_7")
    }
    assert read == {
        "table_4": {"evaluate"},
        "figure_3a": {"evaluate", "finetune"},
        "figure_16": {"evaluate", "collect"},
        "figure_7": {"evaluate", "finetune"},
        "film_7": {"evaluate", "finetune", "pretrain", "collect"},
    }
    methods = {row.method for row in parents(configuration, figure_row(configuration, "figure_4"))}
    assert methods == {None, "pi_star", "vanilla", "kickstarting"}


def test_every_table_that_a_figure_names_is_left_by_a_phase_or_derived_by_its_domain() -> None:
    for name, (domain, entry) in catalogue().items():
        assert domain in domain_names(), name
        assert set(entry.tables) <= set(PHASE_OF_TABLE), name
        assert set(entry.derived) <= set(registry.derived_tables(domain)), name
        assert set(entry.recorded) <= set(registry.recorded_tables(domain)), name
        assert entry.caption.endswith("."), name


def test_a_table_that_the_domain_does_not_derive_is_refused() -> None:
    entry = Entry(name="figure_9", title="", caption="", experiments=(), derived=("rooms",))
    with pytest.raises(ValueError, match="figure_9: unknown derived table 'rooms'"):
        derived_tables(entry, pd.DataFrame(), {})
