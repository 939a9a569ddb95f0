"""What a run of Soft Actor-Critic starts from: weights, temperatures, actions, transitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fpc.learners.interface import Weights
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.train import Session
from fpc.retention.ewc import EWC, EWCOptions

from .sac_runs import OPTIONS, STAGES, ThereAndBack, expert_data, run, specification_of


def test_ewc_takes_pi_stars_fisher_information_also_if_heads_are_reset(tmp_path: Path) -> None:
    """The trunk's Fisher information depends on the heads: the method is prepared before they are reset."""
    pi_star = run(tmp_path / "pi_star", 300).policy
    found, heads = [], []
    for reset in (False, True):
        method = EWC(EWCOptions(coefficient=1.0, fisher_samples=64, fisher_floor=0.0))
        options = OPTIONS.model_copy(update={"reset_heads": reset})
        given = {"initial_policy": pi_star, "method": method, "expert": expert_data(), "options": options}
        trained = run(tmp_path / str(reset), 1, **given)
        found.append(method.state_dict())
        heads.append(trained.policy["head_weight"])
    assert not torch.equal(*heads)
    for name in ("fisher", "anchors"):
        assert torch.equal(found[0][name], found[1][name])
    assert found[0]["fisher"].max() > 0


def test_fine_tuning_starts_from_what_it_is_given(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 300)
    given = {"initial_policy": first.policy, "initial_critic": first.critic, "known_stages": (0, 1)}
    seen: list[tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]] = []

    def start(options: SACOptions) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        def keep(step: int, *weights: Weights) -> None:
            policy, critic = ({k: v.clone() for k, v in part.items()} for part in weights)
            seen.append((policy, critic))

        state = tmp_path / f"start_{len(seen)}"
        run(state, 1, options=options, seeds=(4,), milestones=(0,), on_milestone=keep, **given)
        return seen[-1]

    actor, critics = start(OPTIONS)
    assert all(torch.equal(value, given["initial_policy"][name]) for name, value in actor.items())
    assert all(torch.equal(value, given["initial_critic"][name]) for name, value in critics.items())
    actor, critics = start(OPTIONS.model_copy(update={"reset_heads": True, "reset_critic": True}))
    assert torch.equal(actor["trunk.1.weight"], given["initial_policy"]["trunk.1.weight"])
    assert not torch.equal(actor["head_weight"], given["initial_policy"]["head_weight"])
    assert not torch.equal(critics["weights.0"], given["initial_critic"]["weights.0"])


def test_temperatures_are_pi_stars_in_known_stages_and_the_configured_one_in_new_ones(tmp_path: Path) -> None:
    first = run(tmp_path / "first", 400)
    learned = first.critic["log_temperature"].exp()
    assert all(abs(value - 0.1) > 1e-4 for value in learned.tolist())
    given = {"initial_policy": first.policy, "initial_critic": first.critic, "known_stages": (1,)}
    for name, options in {
        "kept": OPTIONS.model_copy(update={"initial_temperature": 0.7}),
        "new critics": OPTIONS.model_copy(update={"initial_temperature": 0.7, "reset_critic": True}),
    }.items():
        found = run(tmp_path / name, 1, options=options, **given).critic["log_temperature"].exp()
        assert found.tolist() == pytest.approx([0.7, learned[1].item()])


def test_only_a_run_from_scratch_begins_at_random(tmp_path: Path) -> None:
    """The first action of a fine-tuned run is the policy's own, although 300 random steps are configured."""
    first = run(tmp_path / "first", 300)
    squashed = {**first.policy, "head_weight": torch.zeros_like(first.policy["head_weight"])}
    squashed["head_bias"] = torch.tensor([[20.0, -20.0]]).repeat(STAGES, 1)  # always the action 1

    class Watched(ThereAndBack):
        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            actions.append(float(action[0]))
            return super().step(action)

    actions: list[float] = []
    run(tmp_path / "tuned", 100, Watched(), initial_policy=squashed)
    assert actions == [1.0] * 100
    actions.clear()
    run(tmp_path / "scratch", 100, Watched())
    assert len(set(actions)) == 100


def test_the_replay_buffer_begins_with_given_transitions_and_forgets_them(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"buffer_size": 100, "update_after": 10_000})
    given = {
        "observation": torch.full((60, 4), 7.0),
        "action": torch.full((60, 1), 7.0),
        "reward": torch.full((60,), 7.0),
        "next_observation": torch.full((60, 4), 7.0),
        "terminated": torch.zeros(60),
    }
    for steps, left in ((0, 60), (40, 60), (70, 30), (200, 0)):
        session = Session(
            specification_of(tmp_path / str(steps), steps, options=options, initial_transitions=given)
        )
        session.start()
        while session.step < steps:
            session.run_episode(steps)
        assert int((session.buffer.rows[:, 0] == 7).sum()) == left
        assert session.buffer.protected == 0
