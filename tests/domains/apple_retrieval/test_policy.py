"""The policy, its Fisher information, and the random streams of runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fpc.domains.apple_retrieval.config import EnvironmentSection
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams
from fpc.retention.fisher import diagonal_fisher


def test_outputs_and_distribution_by_hand() -> None:
    policy = ApplePolicy(torch.tensor([2.0, 0.0]), torch.tensor([-1.0, math.log(3)]))
    observations = torch.tensor([[[1.0], [0.5]], [[1.0], [-1.0]]], dtype=torch.float64)
    outputs = policy.outputs(observations)
    assert outputs.shape == (2, 2, 1)
    assert outputs.flatten().tolist() == pytest.approx([1.0, 0.0, math.log(3), math.log(3)])
    right = policy.distribution(outputs).log_prob(torch.ones(2, 2, dtype=torch.float64)).exp()
    assert right[0, 1].item() == pytest.approx(0.5)
    assert right[1].tolist() == pytest.approx([0.75, 0.75])
    assert policy.information(outputs)[1].flatten().tolist() == pytest.approx([3 / 16, 3 / 16])
    assert policy.weight_ratio().tolist() == pytest.approx([0.5, math.inf])


def test_fisher_of_each_run() -> None:
    policy = ApplePolicy(torch.zeros(2), torch.zeros(2))
    observations = torch.tensor([[[1.0], [3.0]], [[0.5], [0.5]]], dtype=torch.float64)
    fisher = diagonal_fisher(policy, observations, run_dimensions=1)
    assert fisher["weight"].tolist() == pytest.approx([1.25, 0.0625])
    assert fisher["bias"].tolist() == pytest.approx([0.25, 0.25])


def test_a_stream_does_not_depend_on_its_neighbours() -> None:
    together = Streams([("M=10,c=0.5", 0), ("M=10,c=0.5", 1), ("M=30,c=0.5", 1)], "finetune").draw((4, 3))
    alone = Streams([("M=10,c=0.5", 1)], "finetune").draw((4, 3))
    assert np.array_equal(together[1], alone[0])
    assert len(np.unique(together)) == together.size
    assert not np.array_equal(Streams([("M=10,c=0.5", 1)], "pretrain").draw((4, 3)), alone)


def test_skipping_equals_drawing() -> None:
    drawn, skipped = (Streams([("a", 0), ("b", 7)], "finetune") for _ in range(2))
    for _ in range(5):
        drawn.draw((3, 2))
    skipped.skip(5, (3, 2))
    assert np.array_equal(drawn.draw((3, 2)), skipped.draw((3, 2)))


def test_rollout_by_hand() -> None:
    environment = EnvironmentSection.model_validate(
        {"max_steps": 6, "conditions": [{"distance": 2, "signal": 1.0}]}
    )
    grid = Grid(environment, (0,))
    policy = ApplePolicy(torch.tensor([-2.0]), torch.tensor([0.0]))  # P(right) = .88, then .12
    uniforms = np.array([0.5, 0.99, 0.5, 0.5, 0.5, 0.5]).reshape(1, 6, 1)
    played = grid.rollout(policy, uniforms, "whole")  # R L R R, apple, L L, home after 6 steps
    assert played.action.flatten().tolist() == [True, False, True, True, False, False]
    assert played.observation.flatten().tolist() == [False] * 4 + [True] * 2
    assert played.outcome["success"].item() == 1.0
    assert played.outcome["return"].item() == 4.0
    assert played.outcome["reached_phase_2"].item() == 1.0
