"""The examples' methods by hand, what each serves, and what a warm-up is to SAC."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from fpc.core.errors import ConfigError, DataError
from fpc.learners.appo import APPO
from fpc.learners.interface import Weights
from fpc.learners.reinforce import Reinforce
from fpc.learners.sac import SAC
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionBatch, RetentionContext, RetentionMethod
from fpc.retention.kickstarting import Kickstarting, KickstartingOptions
from fpc.retention.registry import load_method
from fpc.workflow.loader import load
from fpc.workflow.trying.students import CASES, BernoulliPolicy
from tests.learners.sac_runs import OPTIONS, run, weights
from tests.retention.policies import CategoricalPolicy

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("example_method")


def method_of(name: str, **options: Any) -> Any:
    method = load_method(name)
    return method(method.Options(**options))


def policy(weight: float, bias: float) -> BernoulliPolicy:
    return BernoulliPolicy(torch.tensor(weight), torch.tensor(bias))


def context(student: Any, states: list[float] | None = None) -> RetentionContext:
    """``states`` are those of the expert; the student is pi*."""
    expert = None
    if states is not None:
        observations = torch.tensor(states)[:, None]
        outputs = student.outputs(observations).detach()
        expert = ExpertDataset({"observations": observations, "outputs": outputs})
    return RetentionContext(
        student, student, expert, None, torch.Generator().manual_seed(0), run_dimensions=0
    )


def batch(student: Any, update: int = 0) -> RetentionBatch:
    online = torch.ones(1, 1)
    return RetentionBatch(student, online, student.outputs(online), update)


def move(student: BernoulliPolicy, weight: float, bias: float) -> None:
    with torch.no_grad():
        student.weight.add_(weight)
        student.bias.add_(bias)


def test_l2_by_hand() -> None:
    student = policy(2.0, 0.0)
    method = method_of("l2", coefficient=10.0)
    method.prepare(context(student))
    assert method.penalty(batch(student)).item() == 0
    move(student, 0.5, -2.0)
    assert method.penalty(batch(student)).item() == pytest.approx(10 * (0.25 + 4))


def test_mas_by_hand() -> None:
    """One state o = 3: F = 2 o = 6; dF^2/dw = 2 F o = 36 and dF^2/db = 2 F = 12 have the mean 24."""
    student = policy(2.0, 0.0)
    method = method_of("mas", coefficient=10.0, batches=3)
    method.prepare(context(student, [3.0]))
    assert method.importance.tolist() == pytest.approx([1.5, 0.5])
    assert method.penalty(batch(student)).item() == 0
    move(student, 0.5, -2.0)
    term = method.penalty(batch(student))
    assert term.item() == pytest.approx(10 * (1.5 * 0.25 + 0.5 * 4))
    term.backward()
    assert student.weight.grad.item() == pytest.approx(2 * 10 * 1.5 * 0.5)


def test_gradients_of_single_states_do_not_cancel_in_mas() -> None:
    """At o = 1 and o = -1 the gradients 2 F o of w are both 4, and those of b, 2 F, are 4 and -4."""
    alone, together = (method_of("mas", coefficient=1.0, batches=100, batch_size=size) for size in (1, 100))
    for method in (alone, together):
        method.prepare(context(policy(2.0, 0.0), [1.0, -1.0]))
    assert alone.importance.tolist() == pytest.approx([1.0, 1.0])
    weight, bias = together.importance.tolist()
    assert weight > 5 * bias


def test_shifted_logits_are_the_same_output_to_mas() -> None:
    """Logits (6, 0) are (3, -3) when centred; a Gaussian's mean and deviation are not centred."""
    importance = []
    for shift in (0.0, 5.0):
        student = Shifted(2.0, shift)
        method = method_of("mas", coefficient=1.0, batches=1)
        method.prepare(context(student, [3.0]))
        importance.append(method.importance)
    assert importance[0].tolist() == pytest.approx([1.0])
    assert torch.equal(*importance)
    squared_norm = vars(sys.modules[load_method("mas").__module__])["squared_norm"]
    logits = torch.tensor([[6.0, 0.0], [11.0, 5.0]])
    assert squared_norm(CategoricalPolicy(2.0), logits).tolist() == [18.0, 18.0]
    actor = Actor(4, 1, 2, SACOptions(hidden_sizes=(3,)))
    assert squared_norm(actor, torch.tensor([[3.0, 1.0]])).tolist() == [10.0]


class Shifted(CategoricalPolicy):
    def __init__(self, weight: float, shift: float) -> None:
        super().__init__(weight)
        self.shift = shift

    def outputs(self, observations: Tensor) -> Tensor:
        return super().outputs(observations) + self.shift


def test_mas_refuses_outputs_that_depend_on_nothing() -> None:
    with pytest.raises(DataError, match="outputs are constant"):
        method_of("mas", coefficient=1.0).prepare(context(policy(0.0, 0.0), [1.0]))
    with pytest.raises(ValueError, match="needs expert data"):
        method_of("mas", coefficient=1.0).prepare(context(policy(0.0, 0.0)))


def divergence(teacher: float, student: float) -> float:
    return teacher * math.log(teacher / student) + (1 - teacher) * math.log((1 - teacher) / (1 - student))


def test_slow_anchor_by_hand() -> None:
    """The student jumps from P = 1/2 to 3/4; the average's logit is 0, then log 3 / 2, then 3/4 log 3."""
    student = policy(0.0, 0.0)
    method = method_of("slow_anchor", coefficient=2.0, momentum=0.5)
    method.prepare(context(student))
    move(student, 0.0, math.log(3))
    for logit in (0.0, math.log(3) / 2, math.log(3) * 3 / 4):
        slow = 1 / (1 + math.exp(-logit))
        term = method.penalty(batch(student))
        assert term.item() == pytest.approx(2 * divergence(slow, 0.75), rel=1e-4)
        student.bias.grad = None
        term.backward()
        assert student.bias.grad.item() == pytest.approx(2 * (0.75 - slow), rel=1e-4)
    assert all(value.grad is None for value in method.slow.parameters())


def test_a_slow_anchor_that_never_moves_is_kickstarting() -> None:
    student, pi_star = policy(0.5, -0.5), policy(0.5, -0.5)
    slow = method_of("slow_anchor", coefficient=1.0, momentum=1.0)
    kickstarting = Kickstarting(KickstartingOptions(coefficient=1.0))
    slow.prepare(context(student))
    kickstarting.prepare(context(pi_star))
    for update in range(3):
        move(student, 0.3, 0.1)
        expected = kickstarting.penalty(batch(student, update))
        assert expected is not None
        assert expected > 0
        torch.testing.assert_close(slow.penalty(batch(student, update)), expected)


def test_a_slow_anchor_refuses_a_policy_with_memory() -> None:
    with pytest.raises(ConfigError, match=r"without memory.*use kickstarting"):
        method_of("slow_anchor", coefficient=1.0).prepare(CASES["recurrent"]().new_context())


@pytest.mark.parametrize(
    ("name", "learners"),
    [
        ("l2", {SAC, Reinforce, APPO}),
        ("mas", {SAC, Reinforce, APPO}),
        ("slow_anchor", {SAC, Reinforce, APPO}),
        ("warm_up", {SAC}),
    ],
)
def test_learners_that_offer_what_a_method_needs(name: str, learners: set[type]) -> None:
    found = {learner for learner in (SAC, Reinforce, APPO) if load_method(name).needs <= learner.provides}
    assert found == learners


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("l2", {"coefficient": -1.0}),
        ("mas", {"coefficient": 1.0, "batch_size": 0}),
        ("slow_anchor", {"coefficient": 1.0, "momentum": 1.5}),
        ("warm_up", {"warm_up_steps": 0}),
    ],
)
def test_options_out_of_range_are_rejected(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        method_of(name, **options)


def changes(finetune: Mapping[str, Any], **options: int) -> Mapping[str, Any]:
    method: Any = load_method("warm_up")
    changed: Mapping[str, Any] = method.finetune_changes(
        method.Options(**options), "robotic_sequence", finetune
    )
    return changed


def test_a_warm_up_changes_the_step_of_the_first_update_alone() -> None:
    section: Any = load("laptop", folder=ROOT / "configs").experiments["robotic_sequence"]
    finetune = section.finetune.model_dump()
    changed = changes(finetune, warm_up_steps=7000)
    merged = finetune | {"sac": finetune["sac"] | changed["sac"]}
    assert changed.keys() == {"sac"}
    assert type(section.finetune).model_validate(merged).sac == section.finetune.sac.model_copy(
        update={"update_after": 7000}
    )


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    assert changes({"steps": 5001}) == {"sac": {"update_after": 5000}}
    with pytest.raises(ConfigError, match=r"5000, but robotic_sequence's runs have 5000 steps.*lower"):
        changes({"steps": 5000})
    with pytest.raises(ConfigError, match="have 400 steps"):
        changes({"steps": 10_000}, steps=400)


def test_sac_moves_nothing_during_a_warm_up_and_learns_from_its_transitions(tmp_path: Path) -> None:
    initial = run(tmp_path / "pi_star", 0)
    options = OPTIONS.model_copy(update=changes({"steps": 500}, warm_up_steps=400)["sac"])
    seen: dict[int, dict[str, Tensor]] = {}

    def keep(step: int, policy: Weights, critic: Weights) -> None:
        both = {f"actor.{name}": value for name, value in policy.items()}
        both |= {f"critics.{name}": value for name, value in critic.items()}
        seen[step] = {name: value.clone() for name, value in both.items()}

    run(
        tmp_path / "fine_tuned",
        500,
        options=options,
        initial_policy=initial.policy,
        initial_critic=initial.critic,
        method=method_of("warm_up", warm_up_steps=400),
        milestones=(0, 399, 400),
        on_milestone=keep,
    )
    still = {name: torch.equal(seen[399][name], value) for name, value in seen[0].items()}
    moved = {name: not torch.equal(seen[400][name], value) for name, value in seen[0].items()}
    assert seen[0].keys() == weights(initial).keys()
    assert all(still.values())
    assert moved["actor.head_weight"]
    assert moved["critics.head_weight"]
    assert moved["critics.log_temperature"]


def test_a_warm_up_adds_no_term() -> None:
    method: RetentionMethod = method_of("warm_up")
    student = policy(0.0, 0.0)
    method.prepare(context(student))
    assert method.penalty(batch(student)) is None
    assert method.state_dict() == {}
