"""Each method's term on small policies, and its state after a resume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from fpc.retention.behavioral_cloning import BehavioralCloning, BehavioralCloningOptions
from fpc.retention.episodic_memory import EpisodicMemory, EpisodicMemoryOptions
from fpc.retention.ewc import EWC, EWCOptions
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import ExpertBatch, MethodOptions, RetentionBatch, RetentionContext
from fpc.retention.kickstarting import Kickstarting, KickstartingOptions
from fpc.retention.scratch import Scratch
from fpc.retention.vanilla import Vanilla
from fpc.workflow.trying.students import BernoulliPolicy

from .policies import CategoricalPolicy


class Buffer:
    protected: Mapping[str, torch.Tensor]
    share: float | None

    def protect(self, transitions: Mapping[str, torch.Tensor], share: float | None) -> None:
        self.protected, self.share = transitions, share


def policy(weight: float, bias: float = 0.0) -> BernoulliPolicy:
    return BernoulliPolicy(torch.tensor(weight), torch.tensor(bias))


def context(student: BernoulliPolicy, teacher: BernoulliPolicy) -> RetentionContext:
    observations = torch.tensor([[1.0], [3.0]]).repeat(50, 1)
    numbers = torch.arange(100.0)
    expert = ExpertDataset(
        {
            "observations": observations,
            "outputs": teacher.outputs(observations).detach(),
            "action": numbers[:, None],
            "reward": numbers,
            "next_observations": observations,
            "terminated": torch.zeros(100),
        }
    )
    generator = torch.Generator().manual_seed(3)
    return RetentionContext(student, teacher, expert, Buffer(), generator, run_dimensions=0)


def batch(student: BernoulliPolicy, observations: list[float], update: int = 0) -> RetentionBatch:
    tensor = torch.tensor(observations)[:, None]
    return RetentionBatch(student, tensor, student.outputs(tensor), update)


def bernoulli_divergence(teacher: float, student: float) -> float:
    return teacher * math.log(teacher / student) + (1 - teacher) * math.log((1 - teacher) / (1 - student))


def test_kickstarting_uses_the_teacher_outputs_in_the_batch() -> None:
    """A recurrent teacher's outputs come with the batch; the teacher is not evaluated again."""
    teacher, student = policy(0.0), policy(0.0)
    method = Kickstarting(KickstartingOptions(coefficient=2.0))
    method.prepare(context(student, teacher))
    observations = torch.tensor([[1.0], [1.0]])
    logit = math.log(3)  # P = 3/4 against the student's 1/2
    batch = RetentionBatch(student, observations, student.outputs(observations), 0, torch.full((2, 1), logit))
    term = method.penalty(batch)
    assert term is not None
    assert term.item() == pytest.approx(2.0 * bernoulli_divergence(0.75, 0.5), rel=1e-5)


def test_scratch_and_vanilla_add_nothing() -> None:
    student = policy(0.5)
    for method in (Scratch(MethodOptions()), Vanilla(MethodOptions())):
        method.prepare(context(student, student))
        assert method.penalty(batch(student, [1.0])) is None


def test_kickstarting_on_the_learners_own_observations() -> None:
    teacher, student = policy(0.0), policy(math.log(3))  # P = 1/2 everywhere; student 3/4 at 1, 1/4 at -1
    method = Kickstarting(KickstartingOptions(coefficient=2.0, decay=0.5, floor=0.75))
    method.prepare(context(student, teacher))
    expected = 2.0 * bernoulli_divergence(0.5, 0.75)  # both observations have the same divergence
    assert method.penalty(batch(student, [1.0, -1.0])).item() == pytest.approx(expected, rel=1e-5)
    assert method.penalty(batch(student, [1.0], update=1)).item() == pytest.approx(expected / 2, rel=1e-5)
    assert method.penalty(batch(student, [1.0], update=9)).item() == pytest.approx(expected * 0.375, rel=1e-5)


def test_kickstarting_has_gradients_for_the_student_only() -> None:
    teacher, student = policy(0.0), policy(1.0)
    method = Kickstarting(KickstartingOptions(coefficient=1.0))
    method.prepare(context(student, teacher))
    method.penalty(batch(student, [1.0])).backward()
    assert student.weight.grad.item() == pytest.approx(
        torch.sigmoid(torch.tensor(1.0)).item() - 0.5, rel=1e-5
    )
    assert teacher.weight.grad is None


def test_behavioral_cloning_uses_expert_states_only() -> None:
    teacher, student = policy(0.0), policy(0.0, bias=math.log(3))
    method = BehavioralCloning(BehavioralCloningOptions(coefficient=3.0, batch_size=8))
    method.prepare(context(student, teacher))
    expected = 3.0 * bernoulli_divergence(0.5, 0.75)
    assert method.penalty(batch(student, [99.0])).item() == pytest.approx(expected, rel=1e-5)


def test_behavioral_cloning_resumes_its_stream() -> None:
    teacher, student = policy(0.0), policy(1.0)
    options = BehavioralCloningOptions(coefficient=1.0, batch_size=5)
    method = BehavioralCloning(options)
    method.prepare(context(student, teacher))
    method.penalty(batch(student, [1.0]))
    saved = {name: value.clone() for name, value in method.state_dict().items()}
    expected = [method.penalty(batch(student, [1.0])).item() for _ in range(5)]
    resumed = BehavioralCloning(options)
    resumed.load_state_dict(saved, context(student, teacher))
    assert [resumed.penalty(batch(student, [1.0])).item() for _ in range(5)] == expected
    assert len(set(expected)) > 1


def test_behavioral_cloning_with_a_smaller_memory() -> None:
    student = policy(1.0)
    method = BehavioralCloning(BehavioralCloningOptions(coefficient=1.0, batch_size=64, memory_size=1))
    method.prepare(context(student, policy(0.0)))
    assert set(method.sampler.sample().observations.flatten().tolist()) == {1.0}


class OneBatch:
    """Expert data that are always the same batch."""

    def __init__(self, batch: ExpertBatch) -> None:
        self.batch = batch

    def sampler(self, size: int, generator: torch.Generator) -> OneBatch:
        return self

    def sample(self) -> ExpertBatch:
        return self.batch


def test_behavioral_cloning_of_the_experts_actions_by_hand() -> None:
    """Logits (w o, 0) with w = log 3: P(0) = 3/4 at o = 1 and 1/4 at o = -1; the expert does 0, then 1."""
    student = CategoricalPolicy(math.log(3))
    observations, uniform = torch.tensor([[1.0], [-1.0]]), torch.zeros(2, 2)
    expert = OneBatch(ExpertBatch(observations, uniform, torch.tensor([0, 1])))
    given = RetentionContext(student, None, expert, None, torch.Generator(), run_dimensions=0)  # type: ignore[arg-type]
    terms = {}
    for target in ("pi_star", "expert_action"):
        method = BehavioralCloning(BehavioralCloningOptions(coefficient=2.0, batch_size=2, target=target))
        method.prepare(given)
        outputs = student.outputs(observations)
        terms[target] = method.penalty(RetentionBatch(student, observations, outputs, 0))
    # pi* is uniform, and the student has 3/4 and 1/4 in both states; the expert's actions have 3/4 each
    assert terms["pi_star"].item() == pytest.approx(2.0 * bernoulli_divergence(0.5, 0.75), rel=1e-5)
    assert terms["expert_action"].item() == pytest.approx(2.0 * math.log(4 / 3), rel=1e-5)
    terms["expert_action"].backward()
    # d/dw of -log sigmoid(w) at o = 1 and of -log(1 - sigmoid(-w)) at o = -1: both -(1 - 3/4)
    assert student.weight.grad.item() == pytest.approx(2.0 * -0.25, rel=1e-5)


def test_data_without_the_experts_actions_are_refused() -> None:
    student = policy(0.0)
    options = BehavioralCloningOptions(coefficient=1.0, batch_size=2, target="expert_action")
    method = BehavioralCloning(options)
    method.prepare(context(student, student))
    with pytest.raises(
        ValueError, match=r"target: expert_action needs the expert's actions.*set target: pi_star"
    ):
        method.penalty(batch(student, [1.0]))


def ewc(student: BernoulliPolicy, floor: float = 1e-5) -> EWC:
    method = EWC(EWCOptions(coefficient=10.0, fisher_samples=400, fisher_floor=floor))
    method.prepare(context(student, student))
    return method


def test_ewc_by_hand() -> None:
    student = policy(0.0)
    method = ewc(student)
    assert method.penalty(batch(student, [1.0])).item() == 0.0
    with torch.no_grad():
        student.weight.add_(0.5)
        student.bias.sub_(2.0)
    # P = 1/2 at theta*: F_b = 1/4; F_w = mean(o^2)/4 over draws of 1 and 3, in [1/4, 9/4]
    fisher_weight = method.fisher[0].item()
    assert fisher_weight == pytest.approx(1.25, abs=0.2)
    expected = 10.0 * (fisher_weight * 0.25 + 0.25 * 4.0)
    assert method.penalty(batch(student, [1.0])).item() == pytest.approx(expected, rel=1e-5)


def test_ewc_floor() -> None:
    student = policy(0.0, bias=100.0)  # saturated: no information
    assert ewc(student, floor=1e-5).fisher.tolist() == pytest.approx([1e-5, 1e-5])


def test_ewc_does_not_anchor_again_on_resume() -> None:
    student = policy(0.3)
    method = ewc(student)
    with torch.no_grad():
        student.weight.add_(1.0)
    expected = method.penalty(batch(student, [1.0])).item()
    resumed = EWC(method.options)
    resumed.load_state_dict(method.state_dict(), context(student, student))
    assert expected > 0
    assert resumed.penalty(batch(student, [1.0])).item() == expected


def test_ewc_rejects_batch_estimates_of_parallel_runs() -> None:
    together = BernoulliPolicy(torch.zeros(2), torch.zeros(2))
    options = EWCOptions(coefficient=1.0, fisher_samples=4, fisher_floor=0.0, fisher_batches=2)
    with pytest.raises(ValueError, match="set it to null"):
        EWC(options).prepare(replace(context(policy(0.0), policy(0.0)), student=together, run_dimensions=1))


def test_ewc_rejects_anchors_of_another_policy() -> None:
    method = ewc(policy(0.3))
    other = {name: value[:1] for name, value in method.state_dict().items()}
    with pytest.raises(ValueError, match="another policy"):
        EWC(method.options).load_state_dict(other, context(policy(0.0), policy(0.0)))


def test_episodic_memory_protects_the_first_transitions() -> None:
    student = policy(0.0)
    seen = context(student, student)
    method = EpisodicMemory(EpisodicMemoryOptions(memory_size=3, share=0.25))
    method.prepare(seen)
    assert seen.replay_buffer.protected["reward"].tolist() == [0.0, 1.0, 2.0]
    assert seen.replay_buffer.share == 0.25
    assert method.penalty(batch(student, [1.0])) is None


@pytest.mark.parametrize(
    ("method", "lacks"),
    [
        (Kickstarting(KickstartingOptions(coefficient=1.0)), "teacher"),
        (BehavioralCloning(BehavioralCloningOptions(coefficient=1.0, batch_size=1)), "expert data"),
        (EWC(EWCOptions(coefficient=1.0, fisher_samples=1, fisher_floor=0.0)), "expert data"),
        (EpisodicMemory(EpisodicMemoryOptions(memory_size=1)), "replay buffer"),
    ],
)
def test_an_unmet_need_is_an_error_that_names_it(method: object, lacks: str) -> None:
    nothing = RetentionContext(policy(0.0), None, None, None, torch.Generator(), run_dimensions=0)
    with pytest.raises(ValueError, match=lacks):
        method.prepare(nothing)


def test_options_out_of_range_are_rejected() -> None:
    with pytest.raises(ValidationError):
        KickstartingOptions(coefficient=-1.0)
    with pytest.raises(ValidationError):
        BehavioralCloningOptions(coefficient=1.0, batch_size=0)
    with pytest.raises(ValidationError):
        EpisodicMemoryOptions(memory_size=1, share=1.0)
