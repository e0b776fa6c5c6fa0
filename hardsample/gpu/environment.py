"""The stage ``environment``: versions, the device, and what it reaches."""

import contextlib
import platform
from typing import Any

import torch

from hardsample.errors import InputError
from hardsample.gpu.task import Task
from hardsample.runs.devices import count_cores
from hardsample.runs.provenance import accelerator, device_name, source_hash, versions
from hardsample.training.precision import arithmetic


def environment(task: Task) -> dict[str, Any]:
    """Versions, the device, and what it reaches: bytes copied and products of matrices a second."""
    if task.device != "cpu" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA GPU here: install a build of torch that fits its driver.")
    result = {"state": "done", "device": device_name(task.device), "source": source_hash(), "versions": _versions(task)}
    result |= {"cores": count_cores(), "platform": f"{platform.system()} {platform.machine()}"}
    task.keep(result)
    mebibytes, size = (16, 256) if task.tiny else (4096, 8192)
    result["bytes a second"] = _bandwidth(task, mebibytes << 20)
    result["operations a second"] = {name: _products(task, size, name) for name in ("float32", "tf32", "bf16")}
    return result


def _versions(task: Task) -> dict[str, Any]:
    found = versions() | accelerator(task.device) | {"triton": None}
    with contextlib.suppress(ImportError):
        import triton

        found["triton"] = triton.__version__
    return found


def _bandwidth(task: Task, size: int) -> float:
    """Bytes read and written a second, by copies of ``size`` bytes."""
    source = torch.ones(size // 4, device=task.device)
    target = torch.empty_like(source)
    return 2 * size / task.seconds_of(lambda: target.copy_(source), 3 if task.tiny else 30)


def _products(task: Task, size: int, precision: str) -> float | None:
    """Floating-point operations a second, by products of square matrices; None where there is no such arithmetic."""
    if precision == "tf32" and task.device == "cpu":
        return None
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.randn(size, size, device=task.device).to(kind)
    target = torch.empty_like(matrix)
    with arithmetic(precision, torch.device(task.device)):
        return 2 * size**3 / task.seconds_of(lambda: torch.mm(matrix, matrix, out=target), 2 if task.tiny else 20)
