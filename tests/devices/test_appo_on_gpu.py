"""Serial APPO on a pretended GPU: every method, two rounds of two updates, the second one resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fpc.core.checkpoint import load_checkpoint
from fpc.core.files import write_tensors
from fpc.domains.montezuma.expert_frames import write_expert
from fpc.learners.appo.job import Job
from tests.learners.appo_job import devices_of, job, streamed_games
from tests.learners.test_appo import kill_after, run, same
from tests.learners.test_rnd_learner import rnd_job
from tests.pretended_cuda import NAME, pretended_cuda

CLONING = {"coefficient": 1.0, "batch_size": 16}
METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {},
    "behavioral_cloning": CLONING,
    "kickstarting": {"coefficient": 0.5},
    "ewc": {"coefficient": 100.0, "fisher_samples": 16, "fisher_floor": 0.0},
    "scratch": {},
    "scratch_behavioral_cloning": CLONING,
    "scratch_kickstarting": {"coefficient": 0.5},
}
FROM_PI_STAR = ("vanilla", "behavioral_cloning", "kickstarting", "ewc")
COMPARED = ("behavioral_cloning", "ewc")  # with a training on the CPU, bit for bit


def weights_of(work: Job, path: Path) -> str:
    write_tensors(path, work.make_network().state_dict())
    return str(path)


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return streamed_games(tmp_path_factory.mktemp("games"))


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Expert data of Montezuma: random pictures, and pi*'s outputs there."""
    path = tmp_path_factory.mktemp("states") / "expert.safetensors"
    generator = torch.Generator().manual_seed(0)
    size = rnd_job(path.parent).make_network().shape
    pictures = torch.randint(256, (40, size[0] * size[1] * size[2]), dtype=torch.uint8, generator=generator)
    write_expert(path, {"observations": pictures, "outputs": torch.randn(40, 18, generator=generator)})
    return {
        "expert": "fpc.domains.montezuma.factories:data_of",
        "expert_arguments": {"path": str(path)},
    }


def two_rounds(work: dict[str, Any], make: Any, folder: Path, device: str) -> dict[str, Tensor]:
    """Weights after a training that was stopped half-way and resumed in the same folder."""
    for steps in (64, 128):
        trained = run(make(folder, steps=steps, device=device, **work))
        assert {value.device.type for value in trained.policy.values()} == {"cpu"}  # read from a file
    return dict(trained.policy)


def with_method(method: str, expert: dict[str, Any], pi_star: str) -> dict[str, Any]:
    options = METHODS[method]
    given: dict[str, Any] = {"method": method, "options": options}
    given["teacher" if method.startswith("scratch_") else "initial"] = pi_star
    if method == "scratch":
        del given["initial"]
    if "batch_size" in options or "fisher_samples" in options:
        given |= expert
    return given


@pytest.mark.parametrize("method", FROM_PI_STAR)
def test_nethacks_recurrent_policy_trains(tmp_path: Path, games: dict[str, Any], method: str) -> None:
    work = with_method(method, games, weights_of(job(tmp_path), tmp_path / "pi_star.safetensors"))
    if method == "ewc":
        work["options"] = work["options"] | {"fisher_batches": 2}
    with pretended_cuda():
        found = two_rounds(work, job, tmp_path / "gpu", "cuda")
    assert devices_of(job(tmp_path / "gpu")) == [NAME]
    if method in COMPARED:
        assert same(found, two_rounds(work, job, tmp_path / "cpu", "cpu"))


def test_nethacks_critic_trains_alone(tmp_path: Path) -> None:
    pi_star = weights_of(job(tmp_path), tmp_path / "pi_star.safetensors")
    with pretended_cuda():
        two_rounds({"initial": pi_star, "trainable": "critic"}, job, tmp_path / "gpu", "cuda")


@pytest.mark.parametrize("method", FROM_PI_STAR)
def test_montezumas_policy_with_rnd_trains(tmp_path: Path, states: dict[str, Any], method: str) -> None:
    work = with_method(method, states, weights_of(rnd_job(tmp_path), tmp_path / "pi_star.safetensors"))
    with pretended_cuda():
        found = two_rounds(work, rnd_job, tmp_path / "gpu", "cuda")
    assert devices_of(rnd_job(tmp_path / "gpu")) == [NAME]
    if method in COMPARED:
        assert same(found, two_rounds(work, rnd_job, tmp_path / "cpu", "cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name not in FROM_PI_STAR])
@pytest.mark.parametrize("make", [job, rnd_job])
def test_training_from_scratch(
    tmp_path: Path, games: dict[str, Any], states: dict[str, Any], method: str, make: Any
) -> None:
    pi_star = weights_of(make(tmp_path), tmp_path / "pi_star.safetensors")
    work = with_method(method, games if make is job else states, pi_star) | {"trainable": "all"}
    with pretended_cuda():
        two_rounds(work, make, tmp_path / "gpu", "cuda")
    assert devices_of(make(tmp_path / "gpu")) == [NAME]


def test_a_kill_changes_nothing(tmp_path: Path, games: dict[str, Any]) -> None:
    pi_star = weights_of(job(tmp_path), tmp_path / "pi_star.safetensors")
    given = with_method("behavioral_cloning", games, pi_star) | {"steps": 256, "device": "cuda"}
    killed = job(tmp_path / "killed", **given)
    assert kill_after(killed, 96) < 256
    with pretended_cuda():
        resumed, undisturbed = run(killed), run(job(tmp_path / "undisturbed", **given))
    assert same(resumed.policy, undisturbed.policy)


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_resumes_on_another_device(
    tmp_path: Path, games: dict[str, Any], first: str, then: str
) -> None:
    pi_star = weights_of(job(tmp_path), tmp_path / "pi_star.safetensors")
    work = with_method("behavioral_cloning", games, pi_star)
    with pretended_cuda():
        run(job(tmp_path, steps=64, device=first, **work))
        run(job(tmp_path, steps=128, device=then, **work))
    checkpoint = load_checkpoint(job(tmp_path).checkpoints)
    assert checkpoint is not None
    assert checkpoint.step == 128
    assert devices_of(job(tmp_path)) == sorted({NAME, "cpu"})
