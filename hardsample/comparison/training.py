"""One training of one's own model by one method and seed: the loop, and what it measures on the way."""

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hardsample.comparison import checkpoint
from hardsample.comparison.items import call
from hardsample.comparison.problem import COLUMNS, Contestant, Problem, built, logits
from hardsample.errors import InputError
from hardsample.methods.base import Draw, Method
from hardsample.training.process import flushed_denormals

AT_ONCE = 512  # examples passed through together where nothing is learnt


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training gave: a row for each evaluation under ``columns``, NaN where it had diverged."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    seconds: float  # of training, evaluations left out


def train(
    problem: Problem,
    contestant: Contestant,
    seed: int,
    device: str,
    *,
    seconds: float | None = None,
    saved: Path | None = None,
) -> Trained:
    """Train one model; its start and its random numbers are those of the seed, for every method the same.

    Args:
        seconds: train so long, evaluations left out, in place of the problem's updates.
        saved: where a checkpoint is kept, and gone on from; None for none.

    Raises:
        InputError: model, loss, score, metrics and data do not fit each other, or the method does not fit them.
    """
    with _seeded(seed, device), flushed_denormals(device):
        return _Training(problem, contestant, seed, torch.device(device)).run(seconds, saved)


class _Training:
    def __init__(self, problem: Problem, contestant: Contestant, seed: int, device: torch.device) -> None:
        self.problem, self.device, self.seed = problem, device, seed
        self.train, self.test = problem.train.on(device), problem.test.on(device)
        self.model = built(problem).to(device)
        made = problem.optimizer(self.model.parameters())
        self.optimizer, self.scheduler = made if isinstance(made, tuple) else (made, None)
        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise InputError(
                f"optimizer gives a {type(self.optimizer).__name__}: have it return a torch.optim.Optimizer, or one and"
                " its scheduler."
            )
        size, seeds = len(self.train), torch.tensor([seed], device=device)
        self.method: Method = contestant.build(size, problem.batch_size, seeds)
        self.step, self.seconds, self.rows = 0, 0.0, list[tuple[float, ...]]()

    def run(self, seconds: float | None, saved: Path | None) -> Trained:
        """Train to the end of the budget, and evaluate at the start and at even parts of it."""
        last = self.problem.updates if seconds is None else math.inf
        last = min(last, math.inf if self.method.end is None else self.method.end)
        budget = last if seconds is None else seconds
        state = None if saved is None else checkpoint.load(saved, self.device)
        if state is not None:
            self.load(state)
        else:
            self.evaluate(0.0)
        written = time.monotonic()
        for part in range(len(self.rows), self.problem.evaluations + 1):
            progress = part / self.problem.evaluations
            while self.step < last and (self.step if seconds is None else self.seconds) < progress * budget:
                if saved is not None and time.monotonic() > written + checkpoint.EVERY:
                    checkpoint.save(saved, self.save())
                    written = time.monotonic()
                began = time.perf_counter()
                going = self.update(self.step)
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)
                self.seconds += time.perf_counter() - began
                if not going:
                    self.add_row(progress, [math.nan] * (1 + len(self.problem.metrics)))
                    return self.trained()
                self.step += 1
            self.evaluate(progress)
        return self.trained()

    def save(self) -> dict[str, Any]:
        """All that the training goes on from, but for the generators."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else {},
            "method": self.method.tensors,
            "step": self.step,
            "seconds": self.seconds,
            "rows": [list(row) for row in self.rows],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`save` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for name, tensor in self.method.tensors.items():
            tensor.copy_(state["method"][name])
        self.step, self.seconds = state["step"], state["seconds"]
        self.rows = [tuple(row) for row in state["rows"]]

    def trained(self) -> Trained:
        return Trained((*COLUMNS, *self.problem.metrics), tuple(self.rows), self.seconds)

    def update(self, step: int) -> bool:
        """One step; False where the loss is not a number, and the network is left as it was."""
        method = self.method
        method.refresh(step, self.answer)
        method.prepare(step)
        draw: Draw = method.draw(step)
        inputs, targets = self.train.batch(draw.indices[0], self.device)
        outputs = call(self.model, inputs)
        losses = self.problem.losses(outputs, targets)
        objective = losses if draw.weights is None else losses * draw.weights[0].to(losses.dtype)
        mean = objective.mean()
        if not bool(mean.isfinite()):
            return False
        self.optimizer.zero_grad()
        mean.backward()
        when, dropout = method.scored
        if when == "before" and not dropout:
            outputs, losses = self.looked_at(inputs, targets, dropout)
        with _scaled(self.optimizer, method.learning_rate_factor(step)):
            self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        if when == "after":
            outputs, losses = self.looked_at(inputs, targets, dropout)
        with torch.no_grad():
            method.observe(draw.indices, *self.told(outputs.detach(), targets, losses.detach()))
        return True

    @torch.no_grad()
    def looked_at(self, inputs: Any, targets: Any, dropout: bool) -> tuple[Tensor, Tensor]:
        """Outputs and losses of a batch once more, in training or in evaluation mode."""
        with contextlib.nullcontext() if dropout else _evaluating(self.model):
            outputs = call(self.model, inputs)
        return outputs, self.problem.losses(outputs, targets)

    def told(self, outputs: Tensor, targets: Any, losses: Tensor) -> tuple[Tensor, Tensor]:
        """What a method is told of examples: logits [1, n, K] and losses, or the score in their place, [1, n]."""
        if self.method.reads_logits:
            return logits(outputs, targets).float().unsqueeze(0), losses.float().unsqueeze(0)
        return outputs.new_empty(1, len(outputs), 0), self.problem.scores(outputs, targets, losses).float().unsqueeze(0)

    @torch.no_grad()
    def answer(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The forward passes that a method's choice needs, in evaluation mode; indices int64 [1, m]."""
        with _evaluating(self.model):
            outputs, targets = self.passed(self.train, indices[0].clamp(min=0))
            return self.told(outputs, targets, self.problem.losses(outputs, targets))

    def passed(self, items: Any, indices: Any) -> tuple[Tensor, Any]:
        """Outputs and targets of those examples."""
        parts = []
        for first in range(0, len(indices), AT_ONCE):
            inputs, targets = items.batch(indices[first : first + AT_ONCE], self.device)
            parts.append((call(self.model, inputs), targets))
        outputs, targets = zip(*parts, strict=True)
        return torch.cat(outputs), torch.cat(targets) if isinstance(targets[0], Tensor) else _joined(targets)

    @torch.no_grad()
    def evaluate(self, progress: float) -> None:
        """Add a row of loss and metrics on the test set."""
        with _evaluating(self.model):
            outputs, targets = self.passed(self.test, range(len(self.test)))
            loss = self.problem.losses(outputs, targets).double().mean().item()
        outputs, targets = outputs.cpu(), targets.cpu() if isinstance(targets, Tensor) else targets
        finite = bool(outputs.isfinite().all())
        metrics = self.problem.metrics.items()
        found = [_metric(name, metric, outputs, targets) if finite else math.nan for name, metric in metrics]
        self.add_row(progress, [loss, *found])

    def add_row(self, progress: float, found: list[float]) -> None:
        epoch = self.step * self.problem.batch_size / len(self.train)
        values = (value if math.isfinite(value) else math.nan for value in found)
        self.rows.append((progress, self.step, epoch, self.seconds, *values))


def _metric(name: str, metric: Any, outputs: Tensor, targets: Any) -> float:
    try:
        return float(metric(outputs, targets))
    except Exception as error:
        why = next(iter(str(error).splitlines()), "")
        raise InputError(
            f"the metric {name!r} fails with {type(error).__name__} ({why}):"
            " have it take outputs and targets of the whole test set, and give a number."
        ) from error


def _joined(parts: Any) -> Any:
    """The targets of several batches as one, where they are mappings or tuples of tensors."""
    if isinstance(parts[0], dict):
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


@contextlib.contextmanager
def _scaled(optimizer: torch.optim.Optimizer, factor: float) -> Iterator[None]:
    """The learning rates of a step, times a method's factor."""
    rates = [group["lr"] for group in optimizer.param_groups]
    if factor != 1:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


@contextlib.contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Every generator that a model or a data set may use begins at the seed, and is afterwards as it was."""
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)
