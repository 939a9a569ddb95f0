"""A small NetHack experiment and random play, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fpc.domains.nethack.config import EnvironmentOptions, NetHackExperiment, NetworkOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.workflow.loader import load

NETWORK = NetworkOptions(
    message_hidden=4,
    status_channels=(2, 2),
    status_hidden=4,
    character_embedding=2,
    colour_embedding=2,
    screen_channels=(2,),
    screen_hidden=4,
    crop_size=3,
    crop_channels=(2,),
    hidden=8,
)


def task(**changes: Any) -> EnvironmentOptions:
    """The paper's task, with changes."""
    values = {"character": "mon-hum-neu-mal", "max_steps": 100_000, "no_progress_limit": 150}
    return EnvironmentOptions.model_validate(values | changes)


def random_actions(seed: int, count: int) -> list[int]:
    """Actions that move (0 to 15), so that turns pass."""
    return np.random.default_rng(seed).integers(0, 16, count).tolist()


def play_actions(environment: NetHackEnvironment, actions: list[int]) -> float:
    """Sum of the rewards."""
    return sum(environment.step(action)[1] for action in actions)


def experiment(**evaluate: int) -> NetHackExperiment:
    """The paper's experiment with a small network, short evaluation and a stored expert."""
    paper = load("paper", folder=Path(__file__).parents[3] / "configs").experiments["nethack"]
    assert isinstance(paper, NetHackExperiment)
    return paper.model_copy(
        update={
            "network": NETWORK,
            "environment": task(),
            "evaluate": paper.evaluate.model_copy(update=evaluate),
        }
    )
