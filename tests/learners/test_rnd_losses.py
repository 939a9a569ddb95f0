"""The losses of a real RND learner in training against the base code's formulas, worked out independently."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fpc.learners.appo.rnd_learner import RNDLearner
from tests.learners.test_appo import run
from tests.learners.test_rnd_learner import RND, rnd_job

CLIP = 0.1


class Recorded:
    """What the learner received and computed in its first batch."""

    def __init__(self) -> None:
        self.prepared: list[tuple[Any, Any, Any]] = []  # network, batch, result
        self.losses: list[tuple[Any, Any, float]] = []  # network, minibatch, policy loss


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Records calls of the real methods."""
    found = Recorded()
    prepare, losses = RNDLearner._prepare_batch, RNDLearner._calculate_losses

    def recording_prepare(self: RNDLearner, batch: Any) -> Any:
        network, kept = copy.deepcopy(self.actor_critic.network), copy.deepcopy(batch)
        result = prepare(self, batch)
        found.prepared.append((network, kept, copy.deepcopy(result[0])))
        return result

    def recording_losses(self: RNDLearner, minibatch: Any, num_invalids: int) -> Any:
        network = copy.deepcopy(self.actor_critic.network)
        result = losses(self, minibatch, num_invalids)
        found.losses.append((network, minibatch, float(result[1].detach())))
        return result

    monkeypatch.setattr(RNDLearner, "_prepare_batch", recording_prepare)
    monkeypatch.setattr(RNDLearner, "_calculate_losses", recording_losses)
    return found


def policy_loss(network: Any, minibatch: Any, advantages: np.ndarray) -> tuple[float, np.ndarray]:
    """The base code's loss, ``-mean(min(r A, clip(r, .9, 1.1) A))``, and the ratios r."""
    with torch.no_grad():
        logits = network.logits(network.encode(minibatch.normalized_obs["obs"])).double().numpy()
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    taken = log_probabilities[np.arange(len(logits)), minibatch.actions.long().numpy().ravel()]
    ratio = np.exp(taken - minibatch.log_prob_actions.double().numpy())
    clipped = np.clip(ratio, 1 - CLIP, 1 + CLIP)
    return float(-np.minimum(ratio * advantages, clipped * advantages).mean()), ratio


@pytest.mark.parametrize("normalize", [False, True])
def test_the_policy_loss_is_that_of_the_base_code(
    tmp_path: Path, recorded: Recorded, normalize: bool
) -> None:
    # A large rate makes the ratios leave [0.9, 1.1] within a batch; Sample Factory clamps them to [0.05, 20].
    appo = rnd_job(tmp_path).appo | {"learning_rate": 0.04, "epochs": 4}
    run(rnd_job(tmp_path, steps=32, appo=appo, rnd=RND | {"normalize_advantages": normalize}))
    assert len(recorded.losses) == 8
    ratios = []
    for network, minibatch, found in recorded.losses:
        advantages = minibatch.advantages.double().numpy()
        if normalize:
            advantages = (advantages - advantages.mean()) / advantages.std(ddof=1)
        expected, ratio = policy_loss(network, minibatch, advantages)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
        ratios.append(ratio)
    assert np.abs(np.concatenate(ratios) - 1).max() > 2 * CLIP


def estimates(rewards: np.ndarray, dones: np.ndarray, values: np.ndarray, gamma: float) -> np.ndarray:
    """Generalised advantages ``[E, T]`` by their definition: sums of temporal differences up to the end."""
    found = np.zeros_like(rewards)
    for row, step in np.ndindex(*rewards.shape):
        weight = 1.0
        for later in range(step, rewards.shape[1]):
            goes_on = 1.0 - dones[row, later]
            found[row, step] += weight * (
                rewards[row, later] + gamma * goes_on * values[row, later + 1] - values[row, later]
            )
            weight *= gamma * 0.95 * goes_on
            if not goes_on:
                break
    return found


def test_advantages_are_two_extrinsic_and_one_intrinsic(tmp_path: Path, recorded: Recorded) -> None:
    appo = rnd_job(tmp_path).appo | {"gamma": 0.9, "normalize_returns": False}
    run(rnd_job(tmp_path, steps=160, appo=appo))
    ends = 0
    for network, batch, prepared in recorded.prepared:
        observations = batch["obs"]["obs"]
        with torch.no_grad():
            both = network.values(network.encode(observations.flatten(0, 1)))
        extrinsic, intrinsic = (value.double().numpy().reshape(observations.shape[:2]) for value in both)
        dones = batch["dones"].double().numpy()
        ends += int(dones.sum())
        of_game = estimates(batch["rewards"].double().numpy(), dones, extrinsic, 0.9)
        # The normaliser's state has moved on; the rewards follow from the returns that the learner stored.
        returns = prepared["intrinsic_returns"].double().numpy().reshape(dones.shape)
        of_novelty = returns - intrinsic[:, :-1]
        combined = prepared["advantages"].double().numpy().reshape(dones.shape)
        assert combined == pytest.approx(2 * of_game + of_novelty, rel=1e-3, abs=1e-4)
        targets = prepared["returns"].double().numpy().reshape(dones.shape)
        assert targets == pytest.approx(of_game + extrinsic[:, :-1], rel=1e-3, abs=1e-4)
    assert ends > 0


def test_rewards_are_clipped_to_one(tmp_path: Path, recorded: Recorded) -> None:
    """Sample Factory clips them before the learner sees them (base code: ``clip(-1, 1)``)."""
    appo = rnd_job(tmp_path).appo | {"reward_scale": 300.0, "reward_clip": 1.0}
    table = run(rnd_job(tmp_path, steps=640, appo=appo)).table
    seen = torch.cat([batch["rewards"].flatten() for _, batch, _ in recorded.prepared])
    assert (table[table["metric"] == "return"]["value"] > 0).any()
    assert set(seen.tolist()) == {0.0, 1.0}
