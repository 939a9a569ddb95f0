"""Milestones: which steps keep their weights."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fpc.config.milestones import MilestoneOptions
from fpc.core.milestones import milestone_steps


def test_early_milestones_join_the_regular_ones() -> None:
    assert milestone_steps(100, 40) == (0, 40, 80, 100)
    assert milestone_steps(100, 40, (5, 40, 50)) == (0, 5, 40, 50, 80, 100)
    assert milestone_steps(30, 40, (5, 30, 50)) == (0, 5, 30)  # a method with a shorter budget


def test_the_configuration_accepts_increasing_steps_within_the_budget() -> None:
    options = MilestoneOptions(steps=100, evaluate_every=40, early_milestones=(5, 99))
    assert options.early_milestones == (5, 99)
    assert MilestoneOptions(steps=100, evaluate_every=40).early_milestones == ()


@pytest.mark.parametrize(
    ("early", "message"),
    [
        ((5, 5), "early_milestones .5, 5. must increase"),
        ((9, 5), "early_milestones .9, 5. must increase"),
        ((5, 100), "must lie below steps, 100; remove 100 or raise steps"),
        ((0, 5), "greater than 0"),
    ],
)
def test_the_configuration_rejects_other_steps(early: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MilestoneOptions(steps=100, evaluate_every=40, early_milestones=early)
