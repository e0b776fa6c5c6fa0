"""The fused way of a step where there is one and it agrees with the plain one, and a CUDA graph where it can be one."""

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.training import agreement, cuda_graph
from hardsample.training.cohort import Cohort
from hardsample.training.precision import arithmetic
from hardsample.training.step import TrainingStep

logger = logging.getLogger(__name__)

CHECKED, CHECKED_IMAGES = 3, 64  # steps that a process's first fused cohort makes in the plain way too, and evaluates

_AGREEMENTS: dict[tuple, agreement.Agreement] = {}  # found in this process, by what a cohort's kernels depend on


def agreed_step(runs: Sequence[Run], data: Dataset, *arguments: Any, **options: Any) -> TrainingStep:
    """A :class:`TrainingStep` of these arguments.

    A process's first fused one of a kind is held to the plain way, which is taken where they differ.
    """
    step = TrainingStep(runs, data, *arguments, **options)
    if step.way != "fused":
        return step
    run = step.run
    kind = run.method, run.batch_size, run.precision, len(runs) > 1, len(data.x_train), data.num_classes
    if kind not in _AGREEMENTS:
        _AGREEMENTS[kind] = compare_ways(step)
    found = _AGREEMENTS[kind]
    if not found.agrees:
        step = TrainingStep(runs, data, *arguments, **options | {"way": "plain"})
        step.reason = f"the fused step differs from the plain one in {found.tensor}"
        logger.warning("%s: plain steps: %s.", run.label, step.reason)
    step.check = found
    return step


def compare_ways(step: TrainingStep) -> agreement.Agreement:
    """How far a fused cohort's evaluation, and a few of its steps from here on, are from the plain way's.

    Everything is put back afterwards; the forward pass that the next step asks for is made, by a way that agrees.
    """
    fast, plain, exact = _evaluations(step)
    nothing = {name: torch.zeros_like(tensor) for name, tensor in fast.items()}
    found = agreement.compare(nothing, [fast], [plain], [exact])
    return found if not found.agrees else agreement.compare(*_steps_by_way(step))


def _by_way(cohort: Cohort) -> Iterator[str]:
    """The fused way, the plain one, and the plain one in float32, as the cohort is set to each."""
    precision = cohort.precision
    for name, of in (("fused", precision), ("plain", precision), ("exact", "float32")):
        cohort.precision = of
        yield name
    cohort.precision = precision


def _evaluations(step: TrainingStep) -> list[dict[str, Tensor]]:
    images, labels, found = step.data.x_test[:CHECKED_IMAGES], step.data.y_test[:CHECKED_IMAGES], []
    for name in _by_way(step.cohort):
        scores = step.cohort.evaluate if name == "fused" else functools.partial(Cohort.evaluate, step.cohort)
        with arithmetic(step.cohort.precision, step.device):
            found.append({"logits": scores(images, labels)[0]})
    return found


def _steps_by_way(step: TrainingStep) -> tuple[dict[str, Tensor], list, list, list]:
    """The state, and those after each of a few steps by the three ways."""
    first = step.schedule.first_step
    step.prepare(first)
    before, states = cuda_graph.snapshot(step.tensors), []
    for name in _by_way(step.cohort):
        one_step = step.fused_step if name == "fused" else step.plain_step
        step.restore(before)
        step.refreshed = first  # before which the state restored was taken
        states.append([])
        for number in range(first, min(first + CHECKED, step.schedule.steps)):
            step.prepare(number)
            one_step(number)
            states[-1].append(cuda_graph.snapshot(step.tensors))
    step.restore(before)
    step.refreshed = first
    step.prepare(first)
    return before, *states


def fastest(step: TrainingStep, first: int) -> Callable[[int], int]:
    """What makes each step prepared, from the ``first`` on: a CUDA graph where there can be one, else ``step.take``.

    The graph is checked against the step itself. ``step.captured`` and ``step.reason`` say what came of it.

    Raises:
        CaptureError: the capture broke off; the process is unsafe from here on.
    """
    if step.device.type != "cuda" or first >= step.schedule.steps:
        return step.take
    if not step.graphs:
        reason = "graphs are off"
    elif not step.method.capturable:
        reason = f"{step.run.method} draws in rounds that the host counts"
    elif len(step.data.x_train) < step.run.batch_size:
        reason = "every mini-batch is short"
    else:
        try:
            return _captured(step, first)
        except cuda_graph.ReplayMismatchError as error:
            reason = str(error)
    step.reason = "; ".join(filter(None, (step.reason, f"no CUDA graph: {reason}")))
    logger.warning("%s: no CUDA graph: %s.", step.run.label, reason)
    return step.take


def _captured(step: TrainingStep, first: int) -> Callable[[int], int]:
    step.prepare(first)
    counter = step.counter.fill_(first)
    graph, trained = cuda_graph.capture(lambda: step.take(counter), step.tensors, step.restore)
    step.captured = True

    def replay(number: int) -> int:
        if step.method.short(number):  # of another shape than what was captured
            return step.take(number)
        counter.fill_(number)
        graph.replay()
        return trained

    return replay
