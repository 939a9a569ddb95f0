"""Loss terms compared with hand-computed values."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpc.retention import losses
from fpc.workflow.trying.students import BernoulliPolicy

from .policies import GaussianPolicy

BERNOULLI = BernoulliPolicy(torch.tensor(1.0), torch.tensor(0.0))
logits = st.floats(-8, 8)


def logit(probability: float) -> torch.Tensor:
    return torch.tensor([[math.log(probability / (1 - probability))]])


def test_divergence_is_the_teachers_expectation() -> None:
    # teacher 1/2, student 1/4: 1/2 ln(2) + 1/2 ln(2/3) = 1/2 ln(4/3); the other way round it would
    # be 1/4 ln(1/2) + 3/4 ln(3/2) = .13081.
    divergence = losses.kl_divergence(BERNOULLI, logit(0.5), logit(0.25))
    assert divergence.shape == (1,)
    assert divergence.item() == pytest.approx(0.5 * math.log(4 / 3), abs=1e-6)
    assert abs(divergence.item() - 0.13081) > 0.01


def test_divergence_of_gaussians() -> None:
    # KL(N(0,1) || N(1,2)) = ln 2 + (1 + 1)/(2*4) - 1/2; the other way: -ln 2 + (4+1)/2 - 1/2.
    policy = GaussianPolicy(1.0, 0.0)
    teacher, student = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    assert losses.kl_divergence(policy, teacher, student).item() == pytest.approx(
        math.log(2) - 0.25, abs=1e-6
    )
    assert losses.kl_divergence(policy, student, teacher).item() == pytest.approx(2 - math.log(2), abs=1e-6)


def test_no_gradient_reaches_the_teacher() -> None:
    teacher = torch.tensor([[0.3]], requires_grad=True)
    student = torch.tensor([[-0.2]], requires_grad=True)
    losses.kl_divergence(BERNOULLI, teacher, student).sum().backward()
    assert teacher.grad is None
    # d KL / d student logit = p_student - p_teacher
    expected = torch.sigmoid(student) - torch.sigmoid(teacher)
    torch.testing.assert_close(student.grad, expected.detach())


@settings(deadline=None)
@given(teacher=logits, student=logits)
def test_divergence_is_positive_and_zero_at_the_teacher(teacher: float, student: float) -> None:
    first, second = torch.tensor([[teacher]]), torch.tensor([[student]])
    assert losses.kl_divergence(BERNOULLI, first, second).item() >= -1e-5
    assert losses.kl_divergence(BERNOULLI, first, first).item() == pytest.approx(0, abs=1e-6)


def test_quadratic_penalty() -> None:
    parameters = torch.tensor([1.0, 2.0, 3.0])
    anchors = torch.tensor([0.0, 2.0, 5.0])
    fisher = torch.tensor([3.0, 100.0, 0.5])
    # 3*1 + 100*0 + .5*4
    assert losses.quadratic_penalty(parameters, anchors, fisher).item() == pytest.approx(5.0)


def test_quadratic_penalty_does_not_mix_runs() -> None:
    weight, bias = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    flat = losses.flatten_parameters([weight, bias], run_dimensions=1)
    assert flat.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    penalty = losses.quadratic_penalty(flat, torch.zeros(2, 2), torch.ones(2, 2))
    assert penalty.tolist() == [10.0, 20.0]


def test_gradient_of_the_quadratic_penalty() -> None:
    # d/dtheta_i = 2 F_i (theta_i - theta*_i), here of the second run only
    parameters = torch.tensor([[1.0, 2.0], [1.0, 2.0]], requires_grad=True)
    fisher = torch.tensor([[3.0, 5.0], [3.0, 5.0]])
    losses.quadratic_penalty(parameters, torch.zeros(2, 2), fisher)[1].backward()
    assert parameters.grad is not None
    assert parameters.grad.tolist() == [[0.0, 0.0], [6.0, 20.0]]


def test_coefficient_decays_to_its_floor() -> None:
    assert losses.decayed_coefficient(0.75, 0.5, 0.1, 0) == 0.75
    assert losses.decayed_coefficient(0.75, 0.5, 0.1, 1) == 0.375
    assert losses.decayed_coefficient(0.75, 0.5, 0.1, 2) == 0.1875
    assert losses.decayed_coefficient(0.75, 0.5, 0.1, 3) == 0.1


def test_coefficient_of_the_released_kickstarting_runs() -> None:
    # .75 * .99998^u reaches .33 after ln(.33/.75)/ln(.99998) = 41049 updates
    assert losses.decayed_coefficient(0.75, 0.99998, 0.33, 41_000) > 0.33
    assert losses.decayed_coefficient(0.75, 0.99998, 0.33, 41_100) == 0.33
