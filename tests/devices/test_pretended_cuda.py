"""The pretended GPU refuses what CUDA refuses, and computes what the CPU computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.pretended_cuda import CUDA, DeviceMismatch, is_on_gpu, pretended_cuda


def test_memory_is_where_it_was_put() -> None:
    with pretended_cuda():
        values = torch.arange(6.0, device="cuda")
        assert values.device == CUDA
        assert values.is_cuda
        assert values.view(2, 3)[1].device == CUDA
        assert (values + 1).device == CUDA
        assert torch.zeros_like(values).is_cuda
        assert values.cpu().device.type == "cpu"
        assert values.to(torch.int64).is_cuda
        assert values.cpu().to(values).is_cuda
        assert torch.tensor([1.0], device="cuda").is_cuda
        assert values.sum().item() == 15.0
    assert not torch.arange(6.0).is_cuda


@pytest.mark.parametrize(
    "mixture",
    [
        lambda gpu, cpu: gpu + cpu,
        lambda gpu, cpu: torch.cat([gpu, cpu]),
        lambda gpu, cpu: cpu[gpu.long()],
        lambda gpu, cpu: gpu.index_put_((cpu.long(),), cpu),
        lambda gpu, cpu: nn.functional.mse_loss(gpu, cpu),
    ],
)
def test_tensors_of_two_devices_do_not_mix(mixture: object) -> None:
    with pretended_cuda():
        gpu, cpu = torch.ones(3, device="cuda"), torch.ones(3)
        with pytest.raises(DeviceMismatch):
            mixture(gpu, cpu)  # type: ignore[operator]


def test_what_cuda_allows_is_allowed() -> None:
    with pretended_cuda():
        gpu, cpu = torch.ones(3, device="cuda"), torch.ones(3)
        assert (gpu * torch.tensor(2.0)).is_cuda
        assert gpu[torch.tensor([0, 1])].is_cuda
        assert gpu.copy_(cpu).is_cuda
        assert not cpu.copy_(gpu).is_cuda


def test_numpy_and_generators_belong_to_the_cpu() -> None:
    with pretended_cuda():
        with pytest.raises(TypeError, match="numpy"):
            torch.ones(3, device="cuda").numpy()
        with pytest.raises(DeviceMismatch, match="generator"):
            torch.rand(3, device="cuda", generator=torch.Generator())


def test_an_lstm_has_cudnns_rules() -> None:
    with pretended_cuda():
        core = nn.LSTM(2, 2).to("cuda")
        assert {is_on_gpu(value) for value in core.parameters()} == {True}
        values = torch.ones(3, 1, 2, device="cuda")
        state = torch.zeros(1, 1, 2, device="cuda")
        with pytest.raises(DeviceMismatch):
            core(values.cpu())
        columns = torch.zeros(1, 2, 4, device="cuda").chunk(2, -1)
        with pytest.raises(RuntimeError, match="contiguous"):
            core(torch.ones(3, 2, 2, device="cuda"), columns)
        core.eval()
        with pytest.raises(RuntimeError, match="training mode"):
            core(values, (state, state))[0].sum().backward()
        core.train()
        core(values, (state, state))[0].sum().backward()
        assert {is_on_gpu(value.grad) for value in core.parameters() if value.grad is not None} == {True}


def test_training_computes_what_the_cpu_computes() -> None:
    def trained(device: str) -> list[float]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        network.to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        values = torch.arange(6.0).view(2, 3).to(device)
        for _ in range(3):
            optimizer.zero_grad()
            network(values).square().mean().backward()
            optimizer.step()
        return [float(value.detach().sum()) for value in network.parameters()]

    with pretended_cuda():
        on_gpu = trained("cuda")
    assert on_gpu == trained("cpu")
