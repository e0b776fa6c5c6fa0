"""The stages of :mod:`hardsample.gpu.campaign`, each a function of what it is told: python -m hardsample.gpu.stages
STAGE.

Two more names do what needs no GPU: ``reference`` writes the file that the correctness of a GPU is held to, and
``expected`` prints the minutes that the stages are expected to take.
"""

import argparse
import json
import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hardsample import paths
from hardsample.errors import InputError
from hardsample.gpu import correctness, environment, plan, programs, resnet, trainings
from hardsample.gpu.cohorts import expected
from hardsample.gpu.task import Again, StageLeftOut, Task
from hardsample.runs.devices import one_thread
from hardsample.runs.provenance import device_name, versions
from hardsample.training import cuda_graph
from hardsample.training.process import configure_process

STAGES: dict[str, Callable[[Task], dict[str, Any]]] = {
    "environment": environment.environment,
    "correctness": correctness.correctness,
    "runs": trainings.runs,
    "benchmarks": programs.benchmarks,
    "tests": programs.tests,
    "float32": trainings.float32,
    "networks": resnet.networks,
}


def perform(task: Task) -> int:
    """Do the stage and leave what it found; the exit status: 0, or ``plan.AGAIN`` for a fresh process."""
    try:
        result = STAGES[task.stage](task)
    except Again as error:
        print(f"in a fresh process again: {error.__cause__!r}", flush=True)
        return plan.AGAIN
    except cuda_graph.CaptureError as error:
        print(error, flush=True)
        task.keep(task.earlier() | {"graphs": False})
        return plan.AGAIN
    except StageLeftOut as error:
        result = {"state": "left out", "reason": str(error)}
    except InputError as error:
        result = {"state": "failed", "reason": str(error)}
    task.keep(result)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    configure_process()
    if options.stage == "reference":
        made = {"versions": versions(), "device": device_name("cpu")}
        with one_thread("cpu"):
            made["steps"] = correctness.reference_steps()
        paths.write_atomically(correctness.REFERENCE, (json.dumps(made, indent=1) + "\n").encode())
        return 0
    if options.stage == "expected":
        for precision, sums in expected().items():
            for name, spent in {**sums, "in all": sum(sums.values())}.items():
                print(f"{precision:8} {name:24} {spent / 60:6.1f} min")
        return 0
    _end_with_parent()
    return perform(
        Task(
            options.stage,
            options.work,
            options.device,
            options.data,
            time.monotonic() + options.seconds,
            options.tiny,
            options.again,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hardsample.gpu.stages", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "reference", "expected"), help="what is done")
    parser.add_argument("--work", type=Path, default=Path("gpu-work"), help="folder for results (default: %(default)s)")
    parser.add_argument("--device", choices=plan.DEVICES, default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--data", default=plan.DATA, help="a data set's name or a file.npz (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="that it may take (default: any)")
    parser.add_argument("--tiny", action="store_true", help="a few seconds of the same work")
    parser.add_argument("--again", action="store_true", help="go on where another process of this call left off")
    return parser


def _end_with_parent() -> None:
    """End this process and all its group when the other end of the pipe at its input closes, as at any death there."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode) or os.getpgrp() != os.getpid():
        return  # started by hand

    def wait_and_end() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait_and_end, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
