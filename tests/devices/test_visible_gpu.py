"""Sample Factory, and GPUs that the cluster names otherwise than by number."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from sample_factory.algo.utils.shared_buffers import policy_device
from sample_factory.utils.gpu_utils import (
    cuda_envvars_for_policy,
    get_available_gpus,
    set_global_cuda_envvars,
)

from fpc.learners.appo.settings import settings
from fpc.learners.appo.train import TrainingFailed
from fpc.learners.appo.visible_gpu import VISIBLE, begin_on_gpu, numbered_gpu
from tests.learners.appo_job import job
from tests.learners.test_appo import run
from tests.pretended_cuda import pretended_cuda

NAMES = (
    "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
    "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
    "MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0",
    "3",
    "1,2",
)


@pytest.fixture(params=[*NAMES, None])
def visible(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    name: str | None = request.param
    monkeypatch.setenv(VISIBLE, name or "")
    if name is None:
        monkeypatch.delenv(VISIBLE)
    return name


def test_sample_factory_itself_cannot_read_such_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, NAMES[0])
    with pytest.raises(ValueError, match="invalid literal"):
        get_available_gpus()


def test_the_main_process_shows_a_number_while_it_builds_and_its_children_inherit_the_name(
    tmp_path: Path, visible: str | None
) -> None:
    configuration = settings(job(tmp_path, device="cuda"), 16)
    with numbered_gpu("cuda"):
        set_global_cuda_envvars(configuration)
        assert policy_device(configuration, 0) == torch.device("cuda", 0)
    assert os.environ.get(VISIBLE) == visible


def test_a_process_initialises_cuda_with_the_name_before_sample_factory_asks(
    tmp_path: Path, visible: str | None
) -> None:
    configuration = settings(job(tmp_path, device="cuda"), 16)
    found: list[Any] = []

    def begin(kind: str) -> None:
        cuda_envvars_for_policy(0, kind)
        found.append(policy_device(configuration, 0))

    with pretended_cuda() as initialised:
        for kind in ("learning", "inference"):
            if visible is None:
                os.environ.pop(VISIBLE, None)
            else:
                os.environ[VISIBLE] = visible
            partial(begin_on_gpu, begin)(kind)
    assert initialised == [visible, visible]
    assert found == [torch.device("cuda", 0)] * 2


def test_a_serial_training_initialises_cuda_with_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, NAMES[1])
    with pretended_cuda() as initialised:
        run(job(tmp_path, steps=32, trainable="all", device="cuda"))
    assert initialised == [NAMES[1]]
    assert os.environ[VISIBLE] == NAMES[1]


@pytest.mark.slow
@pytest.mark.skipif(torch.version.cuda is not None, reason="torch is built for GPUs")
def test_processes_of_an_asynchronous_training_begin_with_cuda_or_end_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Torch's CPU build refuses in the processes that use the GPU, before anything else there."""
    asynchronous = {"asynchronous": True, "workers": 1, "environments_per_worker": 4, "splits": 2}
    with pytest.raises(TrainingFailed, match="one of its processes died"):
        run(job(tmp_path, steps=32, trainable="all", device="cuda", appo=asynchronous))
    said = capfd.readouterr().err
    assert "in begin_on_gpu" in said
    assert "Torch not compiled with CUDA enabled" in said


def test_a_training_on_cpus_reads_no_name_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, NAMES[0])
    with pretended_cuda() as initialised:
        run(job(tmp_path, steps=32, trainable="all"))
    assert initialised == []
