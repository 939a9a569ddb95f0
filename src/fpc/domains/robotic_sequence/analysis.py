"""Effects of fine-tuning on the network: CKA of its layers, likelihood of pi*'s actions, PCA of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fpc.core.statistics import linear_cka
from fpc.domains.robotic_sequence.stage import OBSERVATION_SIZE
from fpc.learners.sac.networks import Actor, Critics

ACTOR = "actor"  # the network, in rows of CKA


def log_likelihood(actor: Actor, observations: Tensor, before_tanh: Tensor) -> Tensor:
    """Log-probability ``[N]`` of the actions tanh(``before_tanh``), ``[N, A]``, under the policy."""
    with torch.no_grad():
        policy = actor.distribution(actor.outputs(observations))
        gaussian: Tensor = policy.log_prob(before_tanh)
    softplus = torch.nn.functional.softplus(-2 * before_tanh)
    log_jacobian = 2 * (np.log(2.0) - before_tanh - softplus)  # log(1 - tanh(u)^2)
    log_prob: Tensor = gaussian - log_jacobian.sum(-1)
    return log_prob


def principal_components(observations: Tensor) -> npt.NDArray[np.float64]:
    """Coordinates ``[N, 2]`` of observations ``[N, D]`` along their first two principal axes.

    Uses Meta-World's 39 numbers only; each axis is signed so that its largest entry is positive.
    """
    values = observations[:, :OBSERVATION_SIZE].numpy().astype(np.float64)
    centred = values - values.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    coordinates: npt.NDArray[np.float64] = centred @ axes.T
    return coordinates


def actor_layers(actor: Actor, observations: Tensor) -> dict[str, list[npt.NDArray[np.float32]]]:
    """Activations ``[N, H]`` of each hidden layer, under the key ``ACTOR``."""
    with torch.no_grad():
        return {ACTOR: [layer.numpy() for layer in actor.layers(observations)]}


def critic_layers(
    critics: Critics, observations: Tensor, actions: Tensor
) -> dict[str, list[npt.NDArray[np.float32]]]:
    """Activations ``[N, H]`` of each hidden layer, under the keys ``"critic_1"`` and ``"critic_2"``."""
    with torch.no_grad():
        layers = critics.layers(observations, actions)
    return {f"critic_{number + 1}": [layer[number].numpy() for layer in layers] for number in range(2)}


def alignment_rows(
    tuned: Mapping[str, list[npt.NDArray[np.float32]]],
    original: Mapping[str, list[npt.NDArray[np.float32]]],
    stage: str,
) -> list[dict[str, Any]]:
    """Linear CKA of each layer with the same layer of pi*; layers are numbered from 1."""
    return [
        {"network": network, "layer": number + 1, "stage": stage, "cka": linear_cka(layer, reference)}
        for network in tuned
        for number, (layer, reference) in enumerate(zip(tuned[network], original[network], strict=True))
    ]
