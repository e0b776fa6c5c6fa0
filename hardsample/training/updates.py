"""Updates without a training around them, to be timed."""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence

import torch

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.training.cohort import Cohort
from hardsample.training.process import flushed_denormals
from hardsample.training.step import TrainingStep
from hardsample.training.ways import agreed_step, fastest

FORWARD = 1 / 3  # of a step's seconds, if it is forward, and backward for the weights and for the inputs
FEW = 8  # images


def estimate(
    runs: Run | Sequence[Run],
    data: Dataset,
    *,
    device: str = "cpu",
    graphs: bool = True,
    steps: int = 5,
    within: float = math.inf,
) -> float:
    """About how many seconds a run, or a cohort, takes without its pre-training.

    A few steps and an evaluation are timed, as they will be made: on a GPU in a CUDA graph. After ``within`` seconds no
    other step is begun, and what was not timed is told from the steps that were. Where not even three steps would end
    by then on a CPU, those of a few images are timed instead, which take little memory, too.
    """
    end = time.monotonic() + within
    runs = [runs] if isinstance(runs, Run) else runs
    share = 1 - runs[0].pretrain_epochs / runs[0].epochs
    runs = [dataclasses.replace(run, pretrain_epochs=0.0) for run in runs]
    with flushed_denormals(device):
        if math.isfinite(within) and device == "cpu" and runs[0].batch_size > FEW:
            few = [dataclasses.replace(run, batch_size=FEW) for run in runs]
            step = agreed_step(few, data, torch.device(device))
            seconds = _seconds(step, 1, end)
            whole_steps = step.schedule.steps * FEW / runs[0].batch_size
            if time.monotonic() + 3 * seconds / whole_steps > end:
                return share * seconds
        step = agreed_step(runs, data, torch.device(device), graphs=graphs)
        return share * _seconds(step, steps, end)


def _seconds(step: TrainingStep, steps: int, end: float) -> float:
    """Of all steps and evaluations; no step is begun after the end."""
    one_step = fastest(step, 0)
    began = time.perf_counter()
    step.prepare(0)
    one_step(0)
    step.wait()
    per_step = time.perf_counter() - began
    if time.monotonic() < end:
        began, number = time.perf_counter(), 0
        while number < steps and time.monotonic() < end:
            number += 1
            step.prepare(number)
            one_step(number)
        step.wait()
        per_step = (time.perf_counter() - began) / number
    per_image = FORWARD * per_step / step.run.batch_size
    if time.monotonic() < end:
        per_image = _seconds_of_an_image(step)
    size = len(step.data.x_train)
    whole = len(step.data.x_test) + min(step.run.evaluate_train_examples or size, size)
    return step.schedule.steps * per_step + len(step.schedule.evaluations) * whole * per_image


def _seconds_of_an_image(step: TrainingStep) -> float:
    """In an evaluation; on a CPU, of no more images than an update has, which takes no more memory."""
    on_gpu = step.device.type == "cuda"
    at_once = step.cohort.images_at_once if on_gpu else max(step.run.batch_size, FEW)
    images, labels = step.data.x_test[:at_once], step.data.y_test[:at_once]
    if on_gpu:
        step.evaluate(images, labels)  # the first one chooses its algorithms
        step.wait()
    began = time.perf_counter()
    step.evaluate(images, labels)
    step.wait()
    return (time.perf_counter() - began) / len(images)


def stepper(
    runs: Run | Sequence[Run],
    data: Dataset,
    *,
    device: str = "cpu",
    cohort: type[Cohort] | None = None,
    way: str = "auto",
    graphs: bool = True,
) -> Callable[[], None]:
    """A function that makes the next update of runs without a start each time it is called, and evaluates nothing.

    Its attribute ``computed`` says how, as :attr:`TrainingResult.computed` does; ``test`` passes the test images
    forward.

    Args:
        runs: one, or a cohort.
        cohort: how the cohort's networks are computed, in the plain way; None for the library's own.
        way: "auto", or "fused" or "plain" steps and no other.
        graphs: capture the step in a CUDA graph, on a GPU.
    """
    runs = [runs] if isinstance(runs, Run) else runs
    step = agreed_step(runs, data, torch.device(device), cohort=cohort, way=way, graphs=graphs)
    one_step, numbers = fastest(step, 0), itertools.count()

    def update() -> None:
        number = next(numbers)
        step.prepare(number)
        one_step(number)

    update.computed = step.computed
    update.test = lambda: step.evaluate(step.data.x_test, step.data.y_test)
    return update
