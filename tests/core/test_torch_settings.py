"""Settings of torch: one precision of float32 for all that a GPU computes."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from fpc.core.torch_settings import configure_torch
from fpc.learners.appo.factories import make_actor_critic
from fpc.learners.appo.settings import settings
from tests.learners.appo_job import job

ROUNDING = ("cudnn.rnn", "cudnn.conv", "cuda.matmul")


@pytest.fixture(autouse=True)
def rounded() -> None:
    for owner in (torch.backends.cudnn, torch.backends.cuda.matmul):
        owner.fp32_precision = "tf32"
    assert set(precisions().values()) == {"tf32"}


def precisions() -> dict[str, str]:
    backends = torch.backends
    owners = (backends.cudnn.rnn, backends.cudnn.conv, backends.cuda.matmul)
    return {name: owner.fp32_precision for name, owner in zip(ROUNDING, owners, strict=True)}


def test_a_process_that_works_alone_does_not_round() -> None:
    configure_torch()
    assert set(precisions().values()) == {"ieee"}


def test_every_process_of_sample_factory_with_a_network_does_not_round(tmp_path: Path) -> None:
    """The learner and the policy worker both build the network by this function."""
    environment = job(tmp_path).make_environment(0)
    space = environment.observation_space
    assert isinstance(space, gymnasium.spaces.Dict)
    action_space = gymnasium.spaces.Discrete(int(np.int64(environment.action_space.n)))  # type: ignore[attr-defined]
    make_actor_critic(settings(job(tmp_path), 16), space, action_space)
    environment.close()  # type: ignore[no-untyped-call]
    assert set(precisions().values()) == {"ieee"}
