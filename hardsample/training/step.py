"""One step of a cohort: draw, forward, backward, update, observe."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from hardsample.arguments import told
from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.data.label_noise import flip_labels
from hardsample.errors import InputError, check_choice
from hardsample.methods import registry
from hardsample.methods.base import Method
from hardsample.training import checkpoint, networks, optimizers, schedule
from hardsample.training.cohort import Cohort
from hardsample.training.drawn import Drawn
from hardsample.training.fused import support
from hardsample.training.fused.cohort import FusedCohort
from hardsample.training.fused.step import FusedStep
from hardsample.training.losses import cross_entropy, focal_loss
from hardsample.training.precision import ARITHMETIC, arithmetic, check_precision
from hardsample.training.results import COLUMNS, TrainingResult

WAYS = ("auto", "fused", "plain")


def check_cohort(runs: Any, data: Any, starts: Any) -> None:
    """Raise :class:`InputError` unless they are runs, one or more, their data, and as many starts, or None."""
    if not isinstance(runs, Sequence) or not runs or not all(isinstance(run, Run) for run in runs):
        raise InputError(f"runs are {told(runs)}: give a list of one Run or more.")
    if not isinstance(data, Dataset):
        raise InputError(f"data is {told(data)}: give a Dataset, such as hardsample.load gives.")
    if starts is not None:
        whole = isinstance(starts, Sequence) and len(starts) == len(runs)
        if not whole or not all(isinstance(start, TrainingResult) for start in starts):
            raise InputError(f"starts are {told(starts)}: give what hardsample.pretrain gives, one of each run.")


class TrainingStep:
    """What makes the steps of a cohort, one after another; all that they change is in :attr:`tensors`.

    Args:
        runs: that differ in their seed alone.
        data: what they are trained on, on any device.
        device: where they are computed.
        starts: the outcome of every run's :attr:`Run.start`, where it has one.
        cohort: how the networks are computed, in the plain way; None for the library's own.
        way: "fused", "plain", or "auto" for the faster that there is.
        graphs: may steps be captured in a CUDA graph?

    Raises:
        InputError: the runs are no cohort, a start is missing, or a name or option is unknown.
        StateMismatchError: a start is of another network.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        data: Dataset,
        device: torch.device,
        starts: Sequence[TrainingResult] | None = None,
        cohort: type[Cohort] | None = None,
        way: str = "auto",
        graphs: bool = True,
    ) -> None:
        check_choice("way", way, WAYS)
        check_cohort(runs, data, starts)
        self.run = run = runs[0]
        if any(dataclasses.replace(other, seed=run.seed) != run for other in runs):
            raise InputError("the runs of a cohort must differ in their seed alone: train the others on their own.")
        if run.start is not None and starts is None:
            raise InputError(f"{run.label} goes on from a pre-training: train its start first and pass it on.")
        data.check_class_imbalance(run.class_imbalance)
        networks.check_images(run.network, data.x_train.shape[1:])
        networks.check_initialization(run.network, run.initialization)
        networks.check_input_scaling(run.network, run.input_scaling, data)
        check_precision(run.precision, device.type)
        self.data, self.device = data.to(device), device
        size, n = len(data.x_train), run.batch_size
        seeds = torch.tensor([run.seed for run in runs], device=device)
        self.labels = self.data.y_train.expand(len(runs), -1)  # [S, N]
        if run.label_noise:
            self.labels = flip_labels(self.data.y_train, data.num_classes, seeds, run.label_noise)
        first_step = schedule.count_steps(run.pretrain_epochs, Fraction(size, n))
        self.method = registry.build(run.method, size, n, seeds, first_step=first_step, options=run.options)
        self.schedule = schedule.of(run, self.method, first_step)
        self.way, self.reason = _choose_way(way if cohort is None else "plain", run, self.method, self.data)
        self.graphs, self.captured, self.check = graphs, False, None
        kind = cohort or (FusedCohort if self.way == "fused" else Cohort)
        self.cohort = kind(
            run.network,
            data.num_classes,
            [run.seed for run in runs],
            device,
            run.precision,
            run.image_size,
            run.initialization,
        )
        if run.input_scaling == "standard":
            self.cohort.module.moments = data.pixel_moments

        self.counts = torch.zeros(len(runs), size, dtype=torch.int32, device=device)
        self.one = torch.ones(len(runs), n, dtype=torch.int32, device=device)
        self.drawn = Drawn(self.counts) if run.detail == "examples" else None
        if self.way == "fused":
            self.optimizer = self.cohort.adadelta(run.rho)
            self._fused = FusedStep(run, self.cohort, self.optimizer, self.method, self.data, self.labels, self.counts)
        else:
            self.optimizer = optimizers.build(run, self.cohort.parameters)
        # The learning rate of the step prepared; where steps are captured, or fused, it is read from the device.
        self._rate: float | Tensor = 0.0
        if device.type == "cuda" or self.way == "fused":
            self._rate = torch.zeros((), device=device)
            self.counter = torch.zeros((), dtype=torch.int64, device=device)
        self._rate_known: float | None = None
        self.refreshed: int | None = None  # the step that the method was refreshed for
        self.forwards, self.backwards = [0] * len(runs), 0  # examples passed through; all seeds train as many
        if run.start is not None:
            self._load_starts(starts)

    def wait(self) -> None:
        """Until the device has done what it was told to."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def take(self, step: int | Tensor) -> int:
        """Make the step that :meth:`prepare` prepared, an int, or int64 [] on the device; how many were trained on."""
        return self.fused_step(step) if self.way == "fused" else self.plain_step(step)

    def fused_step(self, step: int | Tensor) -> int:
        """As :meth:`plain_step`, in a few kernels."""
        if isinstance(step, int):
            step = self.counter.fill_(step)
        with arithmetic(self.run.precision, self.device):
            return self._fused(step, self._rate)

    def plain_step(self, step: int | Tensor) -> int:
        """Draw, forward, backward, update, observe; how many examples a seed was trained on."""
        with arithmetic(self.cohort.precision, self.device):
            return self._plain_step(step)

    def _plain_step(self, step: int | Tensor) -> int:
        indices, weights = self.method.draw(step)
        images, labels = self.data.x_train[indices], self.labels.gather(1, indices)
        masks = self.cohort.masks(step, indices.shape[1])
        logits = self.cohort.logits(images, masks, training=True)
        losses = cross_entropy(logits, labels)
        objective = losses if self.run.loss == "cross-entropy" else focal_loss(losses, self.run.focal_gamma)
        if weights is not None:
            objective = objective * weights
        gradients = torch.autograd.grad(
            objective.mean(1).sum(), self.cohort.parameters
        )  # each seed's own: they share nothing
        with torch.no_grad():
            logits, losses = logits.detach(), losses.detach()
            when, dropout = self.method.scored
            if when == "before" and not dropout:
                logits, losses = self.cohort.evaluate(images, labels)
            self.optimizer.step(gradients, self._rate)
            if when == "after":
                logits = self.cohort.logits(images, masks if dropout else (), training=dropout)
                losses = cross_entropy(logits, labels)
            ones = self.one[:, : indices.shape[1]]
            self.counts.scatter_add_(1, indices, ones)
            if self.drawn is not None:
                self.drawn.count(indices, ones, step)
            self.method.observe(indices, logits, losses)
        return indices.shape[1]

    @property
    def computed(self) -> dict[str, Any]:
        """How, as :attr:`TrainingResult.computed` says it."""
        about = {"way": self.way, "captured": self.captured, "arithmetic": ARITHMETIC[self.run.precision]}
        module = self.cohort.module
        maybe = {
            "backward": "sparse" if getattr(module, "sparse_backward", False) else "",
            "convolutions": "small maps as products" if getattr(module, "small_maps", False) else "",
            "check": self.check and self.check.to_dict(),
            "reason": self.reason,
        }
        return about | {name: value for name, value in maybe.items() if value}

    def evaluate(self, images: Tensor, labels: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """The cohort's :meth:`Cohort.evaluate`, in the run's arithmetic."""
        with arithmetic(self.run.precision, self.device):
            return self.cohort.evaluate(images, labels, **options)

    def prepare(self, step: int) -> None:
        """The host's work before a step, and once the forward passes that the method's choice needs."""
        if step != self.refreshed:
            evaluate = functools.partial(self._evaluate_examples)
            evaluate.at_once = self.cohort.images_at_once  # type: ignore[attr-defined]  # as of_all asks
            self.method.refresh(step, evaluate)
            self.refreshed = step
        self.method.prepare(step)
        rate = self.schedule.learning_rate(step, self.method.learning_rate_factor(step))
        if not isinstance(self._rate, Tensor):
            self._rate = rate
        elif rate != self._rate_known:
            self._rate.fill_(rate)
            self._rate_known = rate

    def _evaluate_examples(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [S, m, K] and losses [S, m] of training examples, int64 [S, m], where a row of -1 asks nothing."""
        for place, asked in enumerate((indices[:, 0] >= 0).tolist()):
            self.forwards[place] += indices.shape[1] * asked
        shown = indices.clamp(min=0)
        return self.evaluate(self.data.x_train[shown], self.labels.gather(1, shown))

    def count(self, trained: int) -> None:
        """A step's passes: a second forward pass where the method is not given the step's own logits."""
        passes = 1 if self.method.scored == ("before", True) else 2
        self.forwards = [forwards + passes * trained for forwards in self.forwards]
        self.backwards += trained

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that a step changes, by name: the very tensors."""
        parts = {"network": self.cohort.tensors, "optimizer": self.optimizer.tensors, "method": self.method.tensors}
        parts |= {"drawn": self.drawn.tensors} if self.drawn is not None else {}
        named = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
        return named | {"counts": self.counts}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy into place what :func:`hardsample.training.cuda_graph.snapshot` gave."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])
        self.cohort.refresh()

    def _load_starts(self, starts: Sequence[TrainingResult]) -> None:
        with_optimizer = self.run.pretrain_optimizer_state == "carried"
        states, stacked = [start.state for start in starts], self.cohort.stacked
        checkpoint.load_seeds(states, self.tensors, stacked=stacked, with_optimizer=with_optimizer)
        self.cohort.refresh()
        last = [dict(zip(COLUMNS, start.rows[-1], strict=True)) for start in starts]
        self.forwards, self.backwards = [row["forwards"] for row in last], last[0]["backwards"]


def _choose_way(wanted: str, run: Run, method: Method, data: Dataset) -> tuple[str, str]:
    """The way of the steps, and why it is not the fused one."""
    if wanted == "plain" or (wanted == "auto" and data.x_train.device.type != "cuda"):
        return "plain", ""
    reason = support.reason_against(run, method, data.num_classes, data.x_train.device)
    if reason and wanted == "fused":
        raise InputError(f"{run.label} cannot take the fused step: {reason}.")
    return ("plain", f"no fused step: {reason}") if reason else ("fused", "")
