"""When a run's steps begin and end, which of them are evaluated after, and the learning rate of each."""

import dataclasses
import math
from fractions import Fraction

from hardsample.config import Run
from hardsample.methods.base import Method


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The steps of a run, counted from the pre-training's first.

    Args:
        run: whose they are.
        first_step: the number of the pre-training's.
        updates_per_epoch: of the run's method.
        steps: how many there are in all, the pre-training's included.
        epoch_ends: the numbers of steps done where an epoch ends.
        evaluations: those after which the networks are evaluated.
    """

    run: Run
    first_step: int
    updates_per_epoch: int | Fraction
    steps: int
    epoch_ends: frozenset[int]
    evaluations: frozenset[int]

    def epoch(self, step: int) -> float:
        """Mini-batch epochs after so many steps."""
        return step * self.updates_per_epoch.denominator / self.updates_per_epoch.numerator

    def learning_rate(self, step: int, factor: float = 1.0) -> float:
        """The learning rate of a step; ``factor`` is the method's."""
        rate = self.run.learning_rate * factor
        if self.run.learning_rate_schedule == "cosine":
            rate *= (1 + math.cos(math.pi * (step - self.first_step) / (self.steps - self.first_step))) / 2
        if self.run.learning_rate_decay != 1:
            rate *= self.run.learning_rate_decay ** (step // self.updates_per_epoch)
        return rate


def count_steps(epochs: float, updates_per_epoch: int | Fraction) -> int:
    """Updates in so many mini-batch epochs."""
    return round(epochs * updates_per_epoch.numerator / updates_per_epoch.denominator)


def of(run: Run, method: Method, first_step: int) -> Schedule:
    """The schedule of a run by its method, after ``first_step`` steps of pre-training."""
    each = method.updates_per_epoch
    steps = count_steps(run.epochs, each)
    if method.end is not None:
        steps = min(steps, method.end)
    ends = frozenset(count_steps(k, each) for k in range(1, int(run.epochs) + 1))
    count = round(run.epochs * run.evaluations_per_epoch)
    evaluations = {count_steps(k / run.evaluations_per_epoch, each) for k in range(count + 1)}
    evaluations = {step for step in evaluations if step < steps} | {steps}
    return Schedule(run, first_step, each, steps, ends, frozenset(evaluations))
