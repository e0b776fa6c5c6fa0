"""What a run of ``detail="examples"`` keeps beside its metrics: of single examples, and of stale base values.

Losses are nats in float16, clipped to its range, and every prediction is made in evaluation mode. By name:

``test/loss-before``, ``test/predicted-before``: of the test examples, before the method's first step [M].
``test/loss``, ``test/predicted``: the same at the end.
``test/label``: what they are, so that figures can be drawn where the data are not at hand [M].
``train/loss``, ``train/predicted``: of the run's training examples, at the end [N].
``train/label``: what they were trained as [N].
``train/drawn``: how often each was trained on since the pre-training [N].
``hardest/index``, ``hardest/image``: the training examples of the highest loss at the end, the highest first, and their
uint8 images [40, C, H, W].
``stale/...``: :data:`hardsample.training.staleness.SHAPES` at five moments, the last one the end [5, ...], where the
method keeps base values of all examples.
"""

import numpy as np
import torch
from torch import Tensor

from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.trees import LARGEST
from hardsample.training import staleness
from hardsample.training.step import TrainingStep

MOMENTS = 5  # at which staleness is measured, evenly spaced after the pre-training
SHOWN = 40  # training examples whose images are kept


class Details:
    """What is kept of a cohort's single examples; nothing that it does changes the training.

    Args:
        step: what makes the cohort's steps, and counts its draws.
    """

    def __init__(self, step: TrainingStep) -> None:
        self._step, schedule = step, step.schedule
        steps = schedule.steps - schedule.first_step
        self._moments = [schedule.first_step - (-k * steps // MOMENTS) for k in range(1, MOMENTS + 1)]
        self._class = torch.uint8 if step.data.num_classes <= 256 else torch.int32
        width, tested = len(step.labels), len(step.data.y_test)
        self._before = {
            "test/loss-before": torch.full((width, tested), torch.nan, dtype=torch.float16),
            "test/predicted-before": torch.zeros(width, tested, dtype=self._class),
        }
        self._trained: tuple[int, tuple[Tensor, Tensor]] | None = None  # what the training examples last gave, and when
        self._stale: dict[str, Tensor] = {}
        if isinstance(step.method, PersistentLoss):
            self._stale = {
                f"stale/{name}": torch.full((width, MOMENTS, *shape), torch.nan)
                for name, shape in staleness.SHAPES.items()
            }

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What was measured so far, by name: live tensors, a value a seed."""
        return self._before | self._stale

    def due(self, done: int) -> bool:
        """Is there anything to measure after so many steps, that was not yet?"""
        return done == self._step.schedule.first_step or bool(self._open(done))

    def measure(self, done: int) -> None:
        """Measure what is due after so many steps."""
        step = self._step
        if done == step.schedule.first_step:
            for name, values in zip(self._before, self._test(), strict=True):
                self._before[name].copy_(values)
        if places := self._open(done):
            self._measure_staleness(done, places)

    def arrays(self, done: int) -> list[dict[str, np.ndarray]]:
        """All that is kept of each seed, at the end of its training, after so many steps."""
        step = self._step
        logits, losses = self._train(done)
        hardest = losses.topk(min(SHOWN, losses.shape[1]), dim=1).indices
        test, train = self._test(), self._short(logits, losses)
        kept = self.tensors | {"test/loss": test[0], "test/predicted": test[1]}
        kept |= {"test/label": step.data.y_test.to(self._class).expand(len(step.labels), -1)}
        kept |= {"train/loss": train[0], "train/predicted": train[1], "train/label": step.labels.to(self._class)}
        kept |= {"train/drawn": step.drawn.times, "hardest/index": hardest.int()}
        kept |= {"hardest/image": step.data.x_train[hardest]}
        return [
            {name: _narrow(values[place].cpu().numpy()) for name, values in kept.items()}
            for place in range(len(test[0]))
        ]

    def _open(self, done: int) -> list[int]:
        """The places of the moments that are now, and were not measured yet."""
        if not self._stale:
            return []
        missing = self._stale["stale/epoch"][0].isnan().tolist()
        return [place for place, moment in enumerate(self._moments) if moment == done and missing[place]]

    def _measure_staleness(self, done: int, places: list[int]) -> None:
        step, method = self._step, self._step.method
        floor = method.base_values.floor
        true = method.kept(method.values(*self._train(done)))
        true = true.double().nan_to_num(nan=floor, posinf=LARGEST).clamp(floor, LARGEST)
        stored, last = method.base_values.values.double(), step.drawn.last
        all_set = next(before for before in range(done - 1, -1, -1) if method.due(before))
        for seed, values in enumerate(zip(*(part.cpu().numpy() for part in (stored, true, last)), strict=True)):
            found = staleness.compare(*values[:2]) | staleness.ages(values[2], all_set, done, step.schedule.epoch)
            for name, value in {"epoch": step.schedule.epoch(done), **found}.items():
                self._stale[f"stale/{name}"][seed, places] = torch.as_tensor(value, dtype=torch.float32)

    def _train(self, done: int) -> tuple[Tensor, Tensor]:
        if self._trained is None or self._trained[0] != done:
            self._trained = done, self._step.evaluate(self._step.data.x_train, self._step.labels)
        return self._trained[1]

    def _test(self) -> tuple[Tensor, Tensor]:
        return self._short(*self._step.evaluate(self._step.data.x_test, self._step.data.y_test))

    def _short(self, logits: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and predicted classes [S, m] in few bytes."""
        return losses.clamp(max=torch.finfo(torch.float16).max).half(), logits.argmax(2).to(self._class)


def _narrow(values: np.ndarray) -> np.ndarray:
    """Counts and indices, int32, in two bytes where they fit."""
    fits = values.dtype == np.int32 and values.max(initial=0) < 1 << 16
    return values.astype(np.uint16) if fits else values
