"""A CUDA device that computes nothing, to trace on a CPU what a GPU would be asked to do.

Every tensor on it is a FakeTensor, so that devices, shapes and types are checked as on a GPU. What the host reads are
zeros; while a graph is captured, reading, and copying from the host, raise as a GPU would.
"""

import contextlib
import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from hardsample.training import networks

# A build of torch without CUDA has no guard for such devices, without which no fake tensor can be moved to one.
_GUARD = """
#include <c10/core/impl/DeviceGuardImplInterface.h>
struct OneDevice : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> {
  c10::Device getDevice() const override { return c10::Device(c10::DeviceType::CUDA, 0); }
};
static const OneDevice one_device;
extern "C" void set_guard() {
  auto& slot = c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)];
  if (!slot.load()) slot.store(&one_device);
}
"""
_READS = ("tolist", "item", "numpy", "__bool__", "__int__", "__float__", "__index__")
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)

AVAILABLE = torch.version.cuda is not None or shutil.which("g++") is not None
"""Can the device be made here?"""


class NotPermitted(RuntimeError):
    """What CUDA refuses while a stream is captured."""


class Device:
    """What became of the device: ``replays`` of graphs, and kernels ``captured`` in them."""

    def __init__(self) -> None:
        self.capturing = False
        self.replays = self.captured = 0

    def refuse(self, what: str) -> None:
        """Raise where a graph is captured."""
        if self.capturing:
            raise NotPermitted(f"operation not permitted when stream is capturing: {what}")


@contextlib.contextmanager
def device(folder: Path) -> Iterator[Device]:
    """The device at hand as "cuda"; ``folder`` takes what is compiled for it."""
    _set_guard(folder)
    state = Device()
    graph = mock.Mock(side_effect=lambda: mock.Mock(replay=lambda: _count(state)))
    stream = mock.Mock(side_effect=lambda *_: mock.Mock(wait_stream=lambda other: None))
    cuda = {
        "is_available": lambda: True,
        "is_bf16_supported": lambda *_: True,
        "device_count": lambda: 1,
        "get_device_name": lambda *_: "no GPU at all",
        "synchronize": lambda *_: state.refuse("synchronize"),
        "Stream": stream,
        "current_stream": stream,
        "stream": lambda _: contextlib.nullcontext(),
        "CUDAGraph": graph,
        "graph": lambda graph, stream=None: _capture(state),
    }
    with contextlib.ExitStack() as stack:
        for name, fake in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, fake))
        for name in _READS:
            stack.enter_context(mock.patch.object(torch.Tensor, name, _reading(name, state)))
        stack.enter_context(mock.patch.object(torch, "allclose", lambda *_, **__: True))
        stack.enter_context(mock.patch.object(torch, "equal", lambda *_, **__: True))
        stack.enter_context(mock.patch.object(torch.autograd, "grad", _gradients))
        stack.enter_context(mock.patch.object(networks, "build", _build))
        stack.enter_context(mock.patch.object(torch.nn.Module, "to", lambda module, *_, **__: module))
        stack.enter_context(_Tensors(state))
        yield state


def _set_guard(folder: Path) -> None:
    if torch.version.cuda is not None:
        return
    home, source, library = Path(torch.__file__).parent, folder / "guard.cpp", folder / "guard.so"
    if not library.exists():
        source.write_text(_GUARD)
        flags = ("-std=c++20", "-shared", "-fPIC", f"-I{home / 'include'}", f"-L{home / 'lib'}")
        subprocess.run(("g++", *flags, str(source), "-o", str(library), "-lc10"), check=True)
    ctypes.CDLL(str(library)).set_guard()


def _gradients(outputs: torch.Tensor, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """In place of a backward pass, whose engine wants a device that is there."""
    return [torch.empty_like(tensor) for tensor in inputs]


def _build(network: str, classes: int, seed: int, image_size: int | None = None, **_: str) -> torch.nn.Module:
    with torch.device("cuda"):
        return networks.find(network).build(classes, image_size)


def _count(state: Device) -> None:
    state.replays += 1


@contextlib.contextmanager
def _capture(state: Device) -> Iterator[None]:
    state.capturing = True
    try:
        yield
    finally:
        state.capturing = False


def _reading(name: str, state: Device):
    """The method of a tensor by which the host reads it: zeros of a fake one."""
    real = getattr(torch.Tensor, name)

    def read(tensor, *arguments):
        if not isinstance(tensor, FakeTensor):
            return real(tensor, *arguments)
        state.refuse(name)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_disable_current_modes())
            dtype = torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype
            zeros = torch.zeros(tuple(tensor.shape), dtype=dtype)
            return np.asarray(zeros) if name == "numpy" else real(zeros, *arguments)

    return read


class _Tensors(FakeTensorMode):
    """Counts what a capture holds, and refuses copies between host and device there."""

    def __init__(self, state: Device) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self._state = state

    @property
    def avoid_device_init(self) -> bool:
        """There is no device, whatever :func:`torch.cuda.is_available` says now."""
        return True

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = super().__torch_dispatch__(function, types, arguments, keywords)
        if self._state.capturing:
            self._state.captured += 1
            if function in _COPIES:
                tensors = [leaf for leaf in tree_leaves((arguments, result)) if isinstance(leaf, torch.Tensor)]
                if len({tensor.device.type for tensor in tensors}) > 1:
                    self._state.refuse("a copy between host and device")
        return result
