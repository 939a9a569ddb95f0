"""Invalid configurations of RoboticSequence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fpc.domains.robotic_sequence.config import EnvironmentOptions, RoboticSequenceExperiment

from .conftest import environment_options


def test_a_stage_is_a_name_or_a_name_with_a_shift() -> None:
    stages = environment_options().stages
    assert [(stage.name, stage.shift) for stage in stages] == [
        ("reach", 0.0),
        ("drawer-close", 0.0),
        ("push-wall", 0.5),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pretrained_stages": [3]}, "allowed: 0 to 2"),
        ({"pretrained_stages": [2, 1]}, "increasing order"),
        ({"pretrained_stages": []}, "at least 1"),
        ({"stages": []}, "at least 1"),
        ({"max_steps": 0}, "greater than 0"),
    ],
)
def test_invalid_sequences_are_rejected(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        environment_options(**changes)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("finetune", "sac", "hidden_sizes"), [8], "make them equal"),
        (("evaluate", "episodes"), 3, "raise the second"),
        (("pretrain", "clone"), None, "needs the section `clone`"),
        (("pretrain",), {"recipe": "sac", "steps": 0}, "with steps 0 trains nothing; raise steps"),
    ],
)
def test_phases_must_fit(
    tiny_experiment: RoboticSequenceExperiment, path: tuple[str, ...], value: Any, words: str
) -> None:
    changed = tiny_experiment.model_dump()
    section = changed
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = section[path[-1]] | value if path == ("pretrain",) else value
    with pytest.raises(ValidationError, match=words):
        RoboticSequenceExperiment.model_validate(changed)


def test_the_transitions_of_pi_star_must_leave_room_in_the_buffer(
    tiny_experiment: RoboticSequenceExperiment,
) -> None:
    changed = tiny_experiment.model_dump()
    changed["finetune"]["expert_in_buffer"] = True
    assert RoboticSequenceExperiment.model_validate(changed).finetune.expert_in_buffer
    changed["collect"]["states"] = changed["finetune"]["sac"]["buffer_size"]
    with pytest.raises(ValidationError, match="raise the second or lower the first"):
        RoboticSequenceExperiment.model_validate(changed)


@pytest.mark.parametrize(
    ("stochastic", "wanted", "starts", "episodes"),
    [(True, 200, 50, 200), (True, 100, 30, 120), (True, 5, 20, 20), (False, 100, 20, 20)],
)
def test_pi_star_is_measured_equally_often_from_each_start_state(
    tiny_experiment: RoboticSequenceExperiment, stochastic: bool, wanted: int, starts: int, episodes: int
) -> None:
    changed = tiny_experiment.model_dump()
    changed["evaluate"] |= {"stochastic": stochastic, "pi_star_episodes": wanted}
    changed["collect"]["start_states"] = starts
    assert RoboticSequenceExperiment.model_validate(changed).pi_star_episodes == episodes


def test_values_of_science_have_no_defaults() -> None:
    with pytest.raises(ValidationError, match="reward_scale"):
        EnvironmentOptions.model_validate({"stages": ["reach"], "pretrained_stages": [0], "max_steps": 5})
