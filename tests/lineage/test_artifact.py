"""What a phase reads of its parents."""

from __future__ import annotations

import pytest

from fpc.lineage.artifact import Row, is_read


@pytest.mark.parametrize(
    ("phase", "parent", "name", "read"),
    [
        ("collect", "pretrain", "games/000.ttyrec3.bz2", True),
        ("finetune", "pretrain", "games/000.ttyrec3.bz2", False),
        ("evaluate", "pretrain", "games/000.ttyrec3.bz2", False),
        ("finetune", "pretrain", "policy.safetensors", True),
        ("finetune", "collect", "games/000.ttyrec3.bz2", True),
        ("evaluate", "finetune", "milestones/step_100.safetensors", True),
    ],
)
def test_games_of_pre_training_are_read_by_collect_alone(
    phase: str, parent: str, name: str, read: bool
) -> None:
    assert is_read(phase, Row("tiny", parent, "nethack", None, (0,)), name) == read
