"""On a real GPU, where there is one: what the pretended one cannot show.

Kernels and their rounding, processes that share the GPU's memory, and a GPU that is named by its UUID. Run
``pytest tests/devices/test_real_gpu.py`` once on a new kind of GPU or with a new build of torch.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from fpc.core.device import inspect_gpu, problem_of
from fpc.core.files import read_tensors
from fpc.core.torch_settings import configure_gpu
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.pretraining import pretrain
from fpc.learners.appo.visible_gpu import VISIBLE
from tests.devices.test_appo_on_gpu import METHODS, games, states, weights_of, with_method
from tests.devices.test_nethack_evaluation_on_gpu import BATCH, played, policy
from tests.devices.test_phases_on_gpu import on_gpu
from tests.domains.nethack import test_collecting as dungeon
from tests.domains.nethack.random_games import NETWORK
from tests.learners.appo_job import devices_of, job
from tests.learners.test_appo import kill_after, run, same
from tests.learners.test_rnd_learner import rnd_job

__all__ = ["games", "policy", "states"]  # fixtures
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
ASYNCHRONOUS = {"asynchronous": True, "workers": 2, "splits": 2}


def name() -> str:
    return torch.cuda.get_device_name(0)


def uuid() -> str:
    """The first GPU's name, as clusters set it: ``GPU-...``."""
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    return listed.split("UUID: ")[1].split(")")[0]


def test_the_probe_finds_it() -> None:
    facts = inspect_gpu()
    assert problem_of(facts) is None
    assert facts.name == name()
    assert facts.count == torch.cuda.device_count()


@pytest.fixture(scope="module")
def screens() -> dict[str, torch.Tensor]:
    """Random observations of 16 games, 32 steps long."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"tty_chars": (24, 80), "tty_colors": (24, 80), "tty_cursor": (2,), "previous_action": (1,)}
    highest = {"tty_chars": 128, "tty_colors": 16, "tty_cursor": 20, "previous_action": 121}
    return {
        key: torch.randint(highest[key], (32, 16, *shape), dtype=torch.uint8, generator=generator).cuda()
        for key, shape in shapes.items()
    }


def test_learning_and_acting_agree(screens: dict[str, torch.Tensor]) -> None:
    """PPO's ratio at equal weights, of the learner's sequences to single steps, is 1 but for rounding."""
    configure_gpu()
    size = NETWORK.model_copy(update={"hidden": 512})
    network = NetHackNetwork.seeded(size, 0).cuda().train()
    network.freeze_encoder()
    with torch.no_grad():
        network.policy.weight *= 20.0  # far from uniform, so that errors show
    starts = torch.zeros(32, 16, dtype=torch.bool, device="cuda")
    learned, _, _ = network(screens, starts, network.initial_state(16))
    acted, state = [], network.initial_state(16)
    with torch.no_grad():
        for step in range(32):
            now = {key: value[step : step + 1] for key, value in screens.items()}
            logits, _, state = network(now, starts[step : step + 1], state)
            acted.append(logits)
    ratio = (learned.log_softmax(-1) - torch.cat(acted).log_softmax(-1)).exp()
    learned.square().mean().backward()  # cuDNN's, in the same settings
    assert torch.backends.cudnn.allow_tf32 is False  # older code may ask
    assert (ratio - 1).abs().max() < 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [job, rnd_job])
def test_every_method_trains_in_one_process(
    tmp_path: Path, games: dict[str, Any], states: dict[str, Any], method: str, make: Any
) -> None:
    pi_star = weights_of(make(tmp_path), tmp_path / "pi_star.safetensors")
    work = with_method(method, games if make is job else states, pi_star)
    if method.startswith("scratch"):
        work["trainable"] = "all"
    if method == "ewc" and make is job:
        work["options"] = work["options"] | {"fisher_batches": 2}
    for steps in (64, 128):
        trained = run(make(tmp_path, steps=steps, device="cuda", **work))
    assert all(value.isfinite().all() for value in trained.policy.values())
    assert not same(trained.policy, read_tensors(Path(pi_star)))
    assert devices_of(make(tmp_path)) == [name()]


@pytest.mark.parametrize("visible", ["as it is", "by UUID"])
@pytest.mark.parametrize("method", ["behavioral_cloning", "ewc"])
@pytest.mark.parametrize("make", [job, rnd_job])
def test_processes_share_the_gpu(
    tmp_path: Path,
    games: dict[str, Any],
    states: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    make: Any,
    visible: str,
) -> None:
    """Learner, policy and environments in processes of their own; killed, and resumed with new games."""
    if visible == "by UUID":
        monkeypatch.setenv(VISIBLE, uuid())
    pi_star = weights_of(make(tmp_path), tmp_path / "pi_star.safetensors")
    work = with_method(method, games if make is job else states, pi_star) | {"device": "cuda"}
    if method == "ewc" and make is job:
        work["options"] = work["options"] | {"fisher_batches": 2}
    appo = make(tmp_path).appo | ASYNCHRONOUS
    killed = make(tmp_path, steps=10**6, appo=appo, **work)
    reached = kill_after(killed, 96)
    resumed = make(tmp_path, steps=reached + 320, appo=appo, **work)
    trained = run(resumed)
    assert all(value.isfinite().all() for value in trained.policy.values())
    assert trained.table["step"].max() > reached
    assert devices_of(resumed) == [name()]


def test_games_are_played(policy: Path) -> None:
    records = played(policy, "cuda")
    assert sorted(records) == list(range(12))
    assert played(policy, "cuda") == records  # the batch has the same size every time
    assert len(records) > BATCH


def test_pi_star_is_cloned(tmp_path: Path) -> None:
    cloned = on_gpu(dungeon.make_run(tmp_path, "pretrain"))
    pretrain(dungeon.small(), cloned)
    assert cloned._devices == {name()}
    assert read_tensors(cloned.output / "policy.safetensors")["policy.weight"].isfinite().all()
