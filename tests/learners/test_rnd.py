"""Random network distillation: returns of both heads and normalisers, compared with hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fpc.learners.appo.rnd import RandomNetworkDistillation, RunningMoments, advantages
from fpc.learners.appo.rnd_options import RNDOptions

OPTIONS = RNDOptions(
    channels=(4, 4, 4),
    hidden=8,
    outputs=6,
    extrinsic_coefficient=2.0,
    intrinsic_coefficient=1.0,
    normalize_advantages=False,
    intrinsic_gamma=0.9,
    update_proportion=0.25,
    observation_clip=5.0,
    warm_up_steps=0,
)


def frames(*shape: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (*shape, 36, 36), dtype=np.uint8)
    return torch.from_numpy(values)


def test_returns_of_an_episode_end_with_it() -> None:
    rewards, values = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 3.0, 5.0]])
    estimates = advantages(rewards, values, torch.tensor([[0.0, 1.0]]), 0.5, 0.5)
    # last: 0 + .5 * 5 - 3 = -.5; first ends its episode: 1 - 2 = -1
    assert estimates.tolist() == [[-1.0, -0.5]]


def test_intrinsic_returns_continue_across_the_end_of_an_episode() -> None:
    rewards, values = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 3.0, 5.0]])
    estimates = advantages(rewards, values, torch.ones(1, 2), 0.5, 0.5)
    # last: -.5; first: 1 + .5 * 3 - 2 = .5, and .25 of what follows
    assert estimates.tolist() == [[0.5 - 0.125, -0.5]]


def test_advantages_with_lambda_1_are_discounted_sums() -> None:
    rewards = torch.rand(3, 7, generator=torch.Generator().manual_seed(1))
    values = torch.rand(3, 8, generator=torch.Generator().manual_seed(2))
    estimates = advantages(rewards, values, torch.ones(3, 7), 0.9, 1.0)
    returns = values[:, -1]
    for step in reversed(range(7)):
        returns = rewards[:, step] + 0.9 * returns
        assert torch.allclose(estimates[:, step], returns - values[:, step], atol=1e-6)


def test_running_moments_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, (100, 5))
    moments = RunningMoments(5)
    for part in np.split(values, [10, 11, 60]):
        moments.update(torch.from_numpy(part))
    # the initial count of 1e-4 at mean 0 remains: it keeps the variance positive before the first batch
    assert np.allclose(moments.mean, values.mean(0), atol=1e-4)
    assert np.allclose(moments.variance, values.var(0), atol=1e-3)


def test_moments_of_bytes_are_exact() -> None:
    values = np.random.default_rng(0).integers(0, 256, (700, 6), dtype=np.uint8)
    values[:, 0] = 255
    of_bytes, of_numbers = RunningMoments(6), RunningMoments(6)
    for part in np.split(values, [300]):
        of_bytes.update(torch.from_numpy(part))
        of_numbers.update(torch.from_numpy(part).double())
    assert torch.allclose(of_bytes.mean, of_numbers.mean, rtol=1e-12)
    assert torch.allclose(of_bytes.variance, of_numbers.variance, rtol=1e-9)


def test_frames_are_centred_scaled_and_clipped() -> None:
    rnd = RandomNetworkDistillation(OPTIONS, 36, 2, seed=0)
    rnd.frames.mean.fill_(10.0)
    rnd.frames.variance.fill_(4.0)
    inputs = torch.full((1, 36, 36), 13, dtype=torch.uint8)
    assert torch.equal(rnd.normalised(inputs), torch.full((1, 1, 36, 36), 1.5))
    assert float(rnd.normalised(inputs * 10).max()) == OPTIONS.observation_clip
    assert float(rnd.normalised(inputs * 0).min()) == -OPTIONS.observation_clip


def test_intrinsic_rewards_are_divided_by_the_deviation_of_their_discounted_sums() -> None:
    rnd = RandomNetworkDistillation(OPTIONS, 36, 2, seed=0)
    rnd.frames.update(frames(50, seed=3))
    first, second = frames(2, 3, seed=1), frames(2, 3, seed=2)
    moments, sums = RunningMoments(), torch.zeros(2, dtype=torch.float64)
    for part in (first, second):
        errors = rnd.errors(part.flatten(0, 1)).view(2, 3)
        seen = []
        for step in range(3):
            sums = 0.9 * sums + errors[:, step].double()
            seen.append(sums)
        moments.update(torch.cat(seen))
        expected = errors / moments.variance.sqrt().float()
        assert torch.allclose(rnd.intrinsic_rewards(part), expected, rtol=1e-6)


def test_the_error_is_half_the_squared_distance() -> None:
    rnd = RandomNetworkDistillation(OPTIONS, 36, 2, seed=0)
    part = frames(2)
    with torch.no_grad():
        inputs = rnd.normalised(part)
        distance = (rnd.predictor(inputs) - rnd.target(inputs)).square().sum(-1) / 2
    assert torch.allclose(rnd.errors(part), distance)


def test_the_predictor_learns_frames_it_sees_and_the_target_does_not_change() -> None:
    rnd = RandomNetworkDistillation(OPTIONS, 36, 2, seed=0)
    rnd.frames.update(frames(50, seed=3))
    seen, unseen = frames(8, seed=1), frames(8, seed=9)
    target = {name: value.clone() for name, value in rnd.target.state_dict().items()}
    before = float(rnd.errors(seen).mean())
    optimizer = torch.optim.Adam([value for value in rnd.parameters() if value.requires_grad], lr=1e-3)
    for _ in range(300):
        optimizer.zero_grad()
        rnd.loss(seen, torch.ones(8, dtype=torch.bool)).backward()
        optimizer.step()
    assert float(rnd.errors(seen).mean()) < 0.5 * before
    assert float(rnd.errors(seen).mean()) < 0.5 * float(rnd.errors(unseen).mean())
    assert all(torch.equal(value, target[name]) for name, value in rnd.target.state_dict().items())


def test_only_selected_frames_are_learned_from() -> None:
    rnd = RandomNetworkDistillation(OPTIONS, 36, 2, seed=0)
    part, selected = frames(4), torch.tensor([True, False, True, False])
    assert torch.allclose(rnd.loss(part, selected), rnd.loss(part[::2], torch.ones(2, dtype=torch.bool)))
    assert float(rnd.loss(part, torch.zeros(4, dtype=torch.bool))) == 0.0


def test_another_number_of_streams_is_rejected() -> None:
    with pytest.raises(ValueError, match="3 sequences, but the normaliser has 2"):
        RandomNetworkDistillation(OPTIONS, 36, 2, seed=0).intrinsic_rewards(frames(3, 2))
