"""A step of a training as one CUDA graph, checked against the step that it was captured from."""

import gc
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

WARM_UP = 3  # steps before the capture, in which libraries choose their algorithms
_failures: list[str] = []


class CaptureError(RuntimeError):
    """A capture broke off. CUDA may keep a part of it and abort later, so that this process cannot be trusted.

    Leave the process, and do the same in a fresh one with ``graphs=False``.
    """


class ReplayMismatchError(RuntimeError):
    """The graph's first replay gives other numbers than the step that it was captured from."""


def failed() -> bool:
    """Has a capture broken off in this process?"""
    return bool(_failures)


def capture(
    step: Callable[[], int], tensors: Mapping[str, Tensor], restore: Callable[[Mapping[str, Tensor]], None]
) -> tuple["torch.cuda.CUDAGraph", int]:
    """The step as a graph, and what the step returned.

    Args:
        step: makes one step, with nothing read on the host.
        tensors: all that a step changes, by name; left as they are.
        restore: copies such tensors back into place.

    Raises:
        CaptureError: the step cannot be captured; the process is unsafe from here on.
        ReplayMismatchError: the graph is wrong; the process is sound.
    """
    before = snapshot(tensors)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            restore(before)
            step()
    torch.cuda.current_stream().wait_stream(side)
    plain = snapshot(tensors)
    restore(before)
    graph = torch.cuda.CUDAGraph()
    trained = _captured(graph, side, step)
    graph.replay()
    differing = [
        name
        for name, tensor in tensors.items()
        if not torch.allclose(tensor.double(), plain[name].double(), rtol=1e-3, atol=1e-5, equal_nan=True)
    ]
    restore(before)
    if differing:
        raise ReplayMismatchError(f"its first replay differs from the plain step in {differing[0]}")
    return graph, trained


def snapshot(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors as they are."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _captured(graph: "torch.cuda.CUDAGraph", side: "torch.cuda.Stream", step: Callable[[], int]) -> int:
    """Capture on ``side``, since graphs captured on one stream would share workspaces.

    No garbage is collected meanwhile: freeing another graph's memory would break the capture.
    """
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        with torch.cuda.graph(graph, stream=side):
            return step()
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        _failures.append(reason)
        raise CaptureError(
            f"the step could not be captured in a CUDA graph ({reason}): leave this process, and do the same in a fresh"
            " one with graphs=False."
        ) from error
    finally:
        if collecting:
            gc.enable()
