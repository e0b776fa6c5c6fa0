"""Every kernel of the fused step through Triton's own front end and compiler for a GPU that is not there.

python tests/front_end.py CAPABILITY PRECISION n [n ...] prints a line a kernel: its name, registers a thread, bytes
spilled and shared memory, for such a compute capability (80, 90, 100) and precision, and mini-batches of n.
"""

import dataclasses
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from random_letters import letters
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from hardsample.config import Run
from hardsample.methods import base_values, registry
from hardsample.training.fused.cohort import FusedCohort
from hardsample.training.fused.step import FusedStep

SIZE, CLASSES = 124_800, 26  # those of the letters: the trees' shapes decide a kernel's registers


class NoDevice:
    """What the front end asks of a driver."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def launches(precision: str, sizes: list[int]) -> None:
    """A step of every method, which with kernels that do not run computes nothing, and a forward pass."""
    base_values.jit.uses_numba = lambda device: False  # trees as on a device
    data = letters(1)
    data = dataclasses.replace(
        data, x_train=data.x_train.expand(SIZE, -1, -1, -1).contiguous(), y_train=data.y_train.repeat(SIZE)
    )
    counts = torch.zeros(2, SIZE, dtype=torch.int32)
    for n in sizes:
        cohort = FusedCohort("letters-cnn", CLASSES, [1, 2], torch.device("cpu"), precision)
        optimizer, labels = cohort.adadelta(0.95), data.y_train.expand(2, -1)
        for name in ("MB", "SMB", "PEB"):
            run = Run("letters", name, 1, batch_size=n, precision="bf16" if precision == "bf16" else "float32")
            method = registry.build(name, SIZE, n, cohort.seeds)
            step = FusedStep(run, cohort, optimizer, method, data, labels, counts)
            step.index.zero_()
            method.prepare(0)
            step(torch.tensor(0), torch.tensor(0.05))
        cohort.evaluate(data.x_test, data.y_test)


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers a thread, and bytes of its local memory, which is where they spill to."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True)
    found = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", told.stdout + told.stderr)}
    return found["REG"], found["STACK"] + found["LOCAL"]


def main(capability: str, precision: str, *sizes: str) -> None:
    driver.set_active(NoDevice(int(capability)))
    run, seen = JITFunction.run, set()

    def compile_alone(self, *arguments, grid, warmup, **options):
        kernel = run(self, *arguments, grid=grid, warmup=True, **options)
        if kernel.hash not in seen:
            seen.add(kernel.hash)
            print(self.fn.__name__, *resources(kernel.asm["cubin"]), kernel.metadata.shared, flush=True)
        return kernel

    JITFunction.run = compile_alone
    launches(precision, [int(n) for n in sizes])


if __name__ == "__main__":
    main(*sys.argv[1:])
