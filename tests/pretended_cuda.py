"""A pretended GPU for torch's CPU build: what CUDA refuses raises here too, with the CPU computing.

Within :func:`pretended_cuda`, memory "on the GPU" is the CPU's with a mark on its storage, so views share it.
Two modes of torch do the rest. What raises, as with CUDA:

- an operation on marked and unmarked tensors, scalars and copies excepted (an index may be on the CPU);
- ``numpy`` of a marked tensor, and a CPU generator for random numbers on the GPU;
- an LSTM's backward pass in evaluation mode, and states that are not contiguous.

Not shown: kernels, their speed and rounding, memory, and tensors shared between processes. Gradients do not
pass through a copy between devices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
NAME = "Pretended GPU"
COPIES = ("aten::copy_", "aten::_to_copy", "aten::set_")
INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
OUT_OF_SIGHT = ("one_hot",)  # makes tensors of its own on its argument's device, out of sight of the modes


class DeviceMismatch(RuntimeError):
    """Tensors, or a tensor and a generator, are on different devices."""


def is_on_gpu(value: torch.Tensor) -> bool:
    """Whether a tensor is in pretended GPU memory."""
    while torch._C._functorch.is_functorch_wrapped_tensor(value):
        value = torch._C._functorch.get_unwrapped(value)
    return value.layout == torch.strided and getattr(value.untyped_storage(), "on_gpu", False)


def _mark(values: Any, on_gpu: bool = True) -> Any:
    for value in tree_leaves(values):
        if isinstance(value, torch.Tensor) and value.layout == torch.strided:
            value.untyped_storage().on_gpu = on_gpu  # type: ignore[attr-defined]
    return values


def _is_cuda(device: Any) -> bool:
    return device is not None and (isinstance(device, int) or torch.device(device).type == "cuda")


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def _refuse_mixture(name: str, tensors: Sequence[torch.Tensor]) -> bool:
    """Whether the tensors are on the GPU; raises if they are on both devices."""
    gpu = [tuple(value.shape) for value in tensors if is_on_gpu(value)]
    cpu = [tuple(value.shape) for value in tensors if value.dim() and not is_on_gpu(value)]
    if gpu and cpu:
        raise DeviceMismatch(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
            f"({name}: shapes {gpu} and {cpu})"
        )
    return bool(gpu)


class _Dispatch(TorchDispatchMode):
    """Every operation: refuses mixtures, and marks its results."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), func._schema.name
        if name == "aten::_to_copy" and kwargs.get("device") is not None:  # from C++, like `to` of a module
            return _copied(args[0], _is_cuda(kwargs["device"]), kwargs.get("dtype"))
        tensors = _tensors((args, kwargs))
        if name in INDEXING and is_on_gpu(args[0]):
            tensors = [args[0], *_tensors(args[2:])]  # without the indices
        on_gpu = is_on_gpu(args[0]) if name in COPIES else _refuse_mixture(name, tensors)
        if _is_cuda(kwargs.get("device")):
            kwargs["device"], on_gpu = CPU, True
        generator = next((value for value in kwargs.values() if isinstance(value, torch.Generator)), None)
        if on_gpu and generator is not None:
            raise DeviceMismatch(f"Expected a 'cuda' device type for generator but found 'cpu' ({name})")
        out = func(*args, **kwargs)
        return _mark(out) if on_gpu else out


class _Functions(TorchFunctionMode):
    """Calls that ask a tensor for its device in C++, where it would say CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in MOVES and args and isinstance(args[0], torch.Tensor):
            return MOVES[name](*args, **kwargs)
        if name in ("numpy", "__array__") and is_on_gpu(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if name in ("tensor", "as_tensor") and _is_cuda(kwargs.get("device")):
            device = kwargs.pop("device")
            return _to(func(*args, **kwargs), device)
        return func(*args, **kwargs)


def _to(value: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """``Tensor.to``."""
    like = kwargs.get("other", next((item for item in args if isinstance(item, torch.Tensor)), None))
    dtype = kwargs.get("dtype", next((item for item in args if isinstance(item, torch.dtype)), None))
    device = kwargs.get("device", next((x for x in args if isinstance(x, torch.device | str | int)), None))
    if isinstance(device, bool):
        device = None
    if like is not None:
        device, dtype = like.device, like.dtype
    on_gpu = is_on_gpu(value) if device is None else _is_cuda(device)
    if on_gpu == is_on_gpu(value) and not kwargs.get("copy"):
        with torch._C.DisableTorchFunction():
            return value if dtype in (None, value.dtype) else value.to(dtype)
    return _copied(value, on_gpu, dtype)


def _copied(value: torch.Tensor, on_gpu: bool, dtype: torch.dtype | None) -> torch.Tensor:
    """A copy on one of the devices, of the same layout."""
    if value.requires_grad and torch.is_grad_enabled():
        raise NotImplementedError("gradients through a copy between devices")
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        copy = torch.empty_like(value, dtype=dtype, requires_grad=False).copy_(value.detach())
    return _mark(copy, on_gpu)  # type: ignore[no-any-return]


def _share_memory(value: torch.Tensor) -> torch.Tensor:
    if is_on_gpu(value):
        return value  # CUDA's memory is shared already
    with torch._C.DisableTorchFunction():
        return value.share_memory_()


MOVES: dict[str, Callable[..., torch.Tensor]] = {
    "to": _to,
    "cpu": lambda value: _to(value, CPU),
    "cuda": lambda value, *_: _to(value, CUDA),
    "share_memory_": _share_memory,
}


class _OnlyInTraining(torch.autograd.Function):
    """Identity whose gradient is refused."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        raise RuntimeError("cudnn RNN backward can only be called in training mode")


def _whole(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A function that makes tensors on its argument's device by C++, which takes that for the CPU."""

    def checked(*args: Any, **kwargs: Any) -> torch.Tensor:
        on_gpu = _refuse_mixture(function.__name__, _tensors((args, kwargs)))
        with _disable_current_modes():
            out = function(*args, **kwargs)
        return _mark(out, on_gpu)  # type: ignore[no-any-return]

    return checked


def _cudnn_lstm(forward: Callable[..., Any]) -> Callable[..., Any]:
    """``nn.LSTM.forward`` with the rules of cuDNN."""

    def checked(self: torch.nn.LSTM, values: Any, state: Any = None) -> Any:
        data = values.data if isinstance(values, PackedSequence) else values
        if not _refuse_mixture("lstm", [data, *self._flat_weights, *(state or ())]):  # type: ignore[list-item]
            return forward(self, values, state)
        if state is not None and not all(part.is_contiguous() for part in state):
            raise RuntimeError("rnn: hx is not contiguous")
        output, state = forward(self, values, state)
        if self.training or not torch.is_grad_enabled():
            return output, state
        if isinstance(output, PackedSequence):
            return output._replace(data=_OnlyInTraining.apply(output.data)), state
        return _OnlyInTraining.apply(output), state

    return checked


@contextmanager
def pretended_cuda() -> Iterator[list[str | None]]:
    """One pretended GPU, in this process; yields CUDA_VISIBLE_DEVICES at each initialisation of CUDA."""
    initialised: list[str | None] = []

    def initialise() -> None:
        initialised.append(os.environ.get("CUDA_VISIBLE_DEVICES"))

    base = torch._C.TensorBase
    replaced: dict[tuple[Any, str], Any] = {
        (torch.Tensor, "device"): property(
            lambda value: CUDA if is_on_gpu(value) else base.device.__get__(value)
        ),
        (torch.Tensor, "is_cuda"): property(is_on_gpu),
        (torch.nn.functional, "one_hot"): _whole(torch.nn.functional.one_hot),
        (torch.nn.utils.rnn, "pad_sequence"): _whole(torch.nn.utils.rnn.pad_sequence),
        (torch.nn.LSTM, "forward"): _cudnn_lstm(torch.nn.LSTM.forward),
        (torch.cuda, "_lazy_init"): lambda: None,
        (torch.cuda, "init"): initialise,
        (torch.cuda, "get_device_name"): lambda device=None: NAME,
        (torch.cuda, "device_count"): lambda: 1,
        (torch.cuda, "synchronize"): lambda device=None: None,
        (torch.cuda, "empty_cache"): lambda: None,
        (torch.cuda, "memory_allocated"): lambda device=None: 0,
        (torch.cuda, "memory_reserved"): lambda device=None: 0,
    }
    with ExitStack() as stack:
        for (owner, name), value in replaced.items():
            stack.enter_context(patch.object(owner, name, value, create=name in ("device", "is_cuda")))
        stack.enter_context(_Functions())
        stack.enter_context(_Dispatch())
        yield initialised
