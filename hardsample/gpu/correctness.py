"""The stage ``correctness``: steps here against a reference from a CPU, and the way that is taken against the plain."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.gpu import plan
from hardsample.gpu.images import random_images
from hardsample.gpu.task import Task
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.runs.devices import one_thread
from hardsample.training import agreement, cuda_graph
from hardsample.training.step import TrainingStep
from hardsample.training.ways import fastest

REFERENCE = Path(__file__).with_name("plain_step.json")
CLOSE = 1e-3  # relative: a float32 step on another device, and another order of its sums


def correctness(task: Task) -> dict[str, Any]:
    """The plain float32 step against the one that a CPU took, then the way that is taken against the plain."""
    result: dict[str, Any] = {"reference": _against_reference(task)}
    task.keep(result)
    methods = ("PEB",) if task.tiny else ("MB", "SMB", "LB", "PLB", "PEB")
    result["ways"] = {}
    for method in methods:
        result["ways"][method] = _against_plain(task, method)
        task.keep(result)
    wrong = [
        name for name, about in {"reference": result["reference"], **result["ways"]}.items() if not about["agrees"]
    ]
    if wrong:
        return result | {"state": "failed", "reason": f"{', '.join(wrong)} differs by more than rounding explains"}
    slow = {method: about["computed"] for method, about in result["ways"].items() if "reason" in about["computed"]}
    reason = "; ".join(f"{method} takes the {about['way']} way, {about['reason']}" for method, about in slow.items())
    return result | {"state": "done", "reason": reason}


def reference_steps(device: str = "cpu", steps: int = 6) -> dict[str, list[dict[str, Any]]]:
    """What plain float32 steps on pseudo-random images give, by method.

    Of every step the test "loss" of each seed, and by their names the norms of each seed's parameter tensors.
    """
    data = random_images(256, 64)
    found: dict[str, list[dict[str, Any]]] = {}
    for method in ("MB", "PEB"):
        runs = [Run(plan.TINY, method, seed, precision="float32") for seed in (1, 2)]
        trainer = _trainer(runs, data, device, "plain")
        found[method] = []
        for step in range(steps):
            _advance(trainer, step, trainer.plain_step)
            _, losses = trainer.evaluate(trainer.data.x_test, trainer.data.y_test)
            norms = {
                name: tensor.detach().double().flatten(1).norm(dim=1).tolist()
                for name, tensor in trainer.cohort.tensors.items()
            }
            found[method].append({"loss": losses.double().mean(1).tolist(), **norms})
    return found


def _against_reference(task: Task) -> dict[str, Any]:
    """How far, relatively, the steps on this device are from those that are kept."""
    kept = json.loads(REFERENCE.read_bytes())["steps"]
    steps = min(map(len, kept.values())) if not task.tiny else 2
    with one_thread(task.device):
        found = reference_steps(task.device, steps)
    far = {
        (method, step, name): max(abs(a - b) / abs(b) for a, b in zip(values, kept[method][step][name], strict=True))
        for method, rows in found.items()
        for step, row in enumerate(rows)
        for name, values in row.items()
    }
    worst = max(far, key=lambda place: (math.isnan(far[place]), far[place]))
    return {"agrees": far[worst] <= CLOSE, "farthest": far[worst], "allowed": CLOSE, "at": list(worst)}


def _against_plain(task: Task, method: str) -> dict[str, Any]:
    """How far steps of the way that is taken are from float32's, relative to plain steps of the same precision."""
    steps, data = (3, random_images(128, 16)) if task.tiny else (10, random_images(4096, 64))
    options = READINGS[NEAREST] if method == "LB" else {}
    seeds = range(1, task.seeds + 1)
    runs = [Run(plan.TINY, method, seed, options=options, precision=task.precision) for seed in seeds]
    exact = [dataclasses.replace(run, precision="float32") for run in runs]
    states = []
    with one_thread(task.device):
        taken = _trainer(runs, data, task.device, "auto")
        plain, in_full = (_trainer(each, data, task.device, "plain") for each in (runs, exact))
        ways = ((taken, fastest(taken, 0)), (plain, plain.plain_step), (in_full, in_full.plain_step))
        for trainer, _ in ways:
            trainer.prepare(0)
        before = cuda_graph.snapshot(plain.tensors)
        for trainer, one_step in ways:
            trainer.restore(before)  # first base values differ in their rounding, and with them draws would
            states.append([])
            for step in range(steps):
                _advance(trainer, step, one_step)
                states[-1].append(cuda_graph.snapshot(trainer.tensors))
    return agreement.compare(before, *states).to_dict() | {"computed": taken.computed}


def _trainer(runs: Sequence[Run], data: Dataset, device: str, way: str) -> TrainingStep:
    return TrainingStep(runs, data, torch.device(device), way=way)


def _advance(trainer: TrainingStep, step: int, one_step: Callable[[int], int]) -> None:
    trainer.prepare(step)
    one_step(step)
