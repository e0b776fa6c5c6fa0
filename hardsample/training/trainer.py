"""The one loop: a cohort of seeds, one method, one budget -> rows of metrics."""

import contextlib
import ctypes
import dataclasses
import functools
import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.data.label_noise import flip_labels
from hardsample.errors import InputError, check_choice
from hardsample.methods import registry
from hardsample.training import agreement, cuda_graph, networks, optimizers
from hardsample.training.cohort import Cohort
from hardsample.training.fused import support as fused_support
from hardsample.training.fused.cohort import FusedCohort
from hardsample.training.fused.step import FusedStep
from hardsample.training.losses import cross_entropy, focal_loss
from hardsample.training.precision import ARITHMETIC, arithmetic, check_precision

logger = logging.getLogger(__name__)

COLUMNS = (
    *("step", "epoch", "acc/train", "acc/val", "loss/train", "loss/val", "draws/distinct", "draws/per-class"),
    *("acc/choose", "acc/report", "acc/train-sd", "acc/val-sd", "batches/train", "batches/val"),
    *("forwards", "backwards"),
)

WAYS = ("auto", "fused", "plain")
CHECKED, CHECKED_IMAGES = 3, 64  # steps that a process's first fused cohort makes in the plain way too, and evaluates

State = dict[str, np.ndarray]
"""All that continues a training, by name; fit for an .npz without pickle."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What one run gives: rows under ``columns``, seconds spent, and of a pre-training the state to go on from.

    Accuracies are shares in [0, 1], losses nats; both are NaN for a diverged network. ``draws/distinct`` (distinct
    examples drawn) and ``draws/per-class`` (draws by class) count the epoch that a row ends, else they are None.
    ``acc/choose`` and ``acc/report`` are ``acc/val`` on the test set's examples of even and of odd index: choose a
    hyper-parameter by the one, report what it gives by the other. Where an evaluation averages over mini-batches,
    ``acc/train-sd`` is the standard deviation over its ``batches/train`` of them; else both are None.
    ``forwards`` and ``backwards`` count the examples passed through the network so far, to choose and to train, the
    pre-training's included and those evaluated left out. Train metrics are of the labels trained on.
    ``computed`` says how: ``way`` of the steps ("fused" or "plain"), ``captured`` in a CUDA graph or not, the
    ``arithmetic`` of products; where it applies ``check``, how the fused way agreed with the plain one, and ``reason``,
    why a faster way was not taken.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple, ...]
    seconds: dict[str, float]
    state: State | None = None
    computed: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a training stands after an evaluation: steps done and in all, and the first seed's newest row."""

    step: int
    steps: int
    row: tuple


class StateMismatchError(InputError):
    """A saved state does not fit the run: other code, or another network, method or data set, wrote it."""


class DeadlineError(Exception):
    """The deadline passed; what was trained is in the checkpoint."""


def pretrain(
    runs: Sequence[Run], data: Dataset, *, device: str = "cpu", graphs: bool = True, **hooks: Any
) -> list[TrainingResult]:
    """Train a cohort of pre-trainings (:attr:`Run.start`) and keep the states that the methods go on from.

    ``hooks`` are those of :func:`train`, from ``checkpoint`` on.
    """
    trainer = _trainer(runs, data, torch.device(device), None, graphs=graphs)
    return _trained(trainer, **hooks).outcomes(with_state=True)


def train(
    runs: Sequence[Run],
    data: Dataset,
    *,
    device: str = "cpu",
    starts: Sequence[TrainingResult] | None = None,
    graphs: bool = True,
    checkpoint: State | None = None,
    save_checkpoint: Callable[[State], None] | None = None,
    checkpoint_seconds: float = 60.0,
    deadline: float | None = None,
    report: Callable[[Progress], None] | None = None,
) -> list[TrainingResult]:
    """Train a cohort: runs that differ in their seed alone.

    Args:
        starts: the outcome of every run's :attr:`Run.start`, where it has one.
        graphs: capture steps in a CUDA graph, on a GPU.
        checkpoint: the whole cohort's state, to go on from bit for bit.
        save_checkpoint: called with such a state about every ``checkpoint_seconds``, and at the deadline.
        deadline: of ``time.monotonic()``.
        report: called after every evaluation.

    Raises:
        InputError: the runs are no cohort, a start is missing, or a name or option is unknown.
        StateMismatchError: the checkpoint, or a start, is not of these runs.
        DeadlineError: the deadline passed.
        CaptureError: no graph could be captured; leave the process, and train in a fresh one with ``graphs=False``.
    """
    hooks = {
        "save_checkpoint": save_checkpoint,
        "checkpoint_seconds": checkpoint_seconds,
        "deadline": deadline,
        "report": report,
    }
    trainer = _trainer(runs, data, torch.device(device), starts, graphs=graphs)
    return _trained(trainer, checkpoint, **hooks).outcomes()


def check(run: Run, data: Dataset) -> None:
    """Refuse a run that could not begin on these data.

    Raises:
        InputError: its network, method or one of their options does not fit the data.
    """
    networks.check_images(run.network, data.x_train.shape[1:])
    networks.check_initialization(run.network, run.initialization)
    size, n = len(data.x_train), run.batch_size
    method = registry.build(run.method, size, n, torch.tensor([run.seed]), options=run.options)
    tail = size % n if isinstance(method.updates_per_epoch, int) and not run.options.get("drop_last") else n
    if networks.find(run.network).batch_normalized and 1 in (n, tail):
        raise InputError(
            f"mini-batches of {n} of {size} images come down to a single one, on which batch normalisation cannot be"
            " trained: choose another batch_size or number of examples, or drop_last=True."
        )


def estimate(
    runs: Run | Sequence[Run], data: Dataset, *, device: str = "cpu", graphs: bool = True, steps: int = 5
) -> float:
    """About how many seconds a run, or a cohort, takes without its pre-training.

    A few steps and an evaluation are timed, as they will be made: on a GPU in a CUDA graph.
    """
    runs = [runs] if isinstance(runs, Run) else runs
    share = 1 - runs[0].pretrain_epochs / runs[0].epochs
    runs = [dataclasses.replace(run, pretrain_epochs=0.0) for run in runs]
    run, trainer = runs[0], _trainer(runs, data, torch.device(device), None, graphs=graphs)
    one_step = trainer.step_function()
    trainer.prepare(0)
    one_step(0)
    trainer.wait()
    began = time.perf_counter()
    for step in range(1, steps + 1):
        trainer.prepare(step)
        one_step(step)
    trainer.wait()
    per_step = (time.perf_counter() - began) / steps
    at_once = trainer.cohort.images_at_once
    images, labels = trainer.data.x_test[:at_once], trainer.data.y_test[:at_once]
    if trainer.device.type == "cuda":
        trainer.scores(images, labels)  # the first one chooses its algorithms
        trainer.wait()
    began = time.perf_counter()
    trainer.scores(images, labels)
    trainer.wait()
    per_image = (time.perf_counter() - began) / len(images)
    whole = len(data.x_test) + min(run.evaluate_train_examples or len(data.x_train), len(data.x_train))
    return share * (trainer.steps * per_step + len(trainer.evaluations) * whole * per_image)


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

    Its attribute ``computed`` says how, as :attr:`TrainingResult.computed` does.

    Args:
        runs: one, or a cohort.
        cohort: how the cohort's networks are computed, in the plain way; None for the library's own.
        way: "auto", or "fused" or "plain" steps and no other.
        graphs: capture the step in a CUDA graph, on a GPU.
    """
    runs = [runs] if isinstance(runs, Run) else runs
    trainer = _trainer(runs, data, torch.device(device), None, cohort=cohort, way=way, graphs=graphs)
    one_step, steps = trainer.step_function(), itertools.count()

    def update() -> None:
        step = next(steps)
        trainer.prepare(step)
        one_step(step)

    update.computed = trainer.computed
    return update


_AGREEMENTS: dict[tuple, agreement.Agreement] = {}  # found in this process, by what a cohort's kernels depend on


def _trainer(runs: Sequence[Run], data: Dataset, *arguments: Any, **options: Any) -> "_Trainer":
    """A trainer; a process's first fused one of a kind is held to the plain way, which is taken where they differ."""
    trainer = _Trainer(runs, data, *arguments, **options)
    if trainer.way != "fused":
        return trainer
    run = trainer.run
    kind = run.method, run.batch_size, run.precision, len(runs) > 1, len(data.x_train), data.num_classes
    if kind not in _AGREEMENTS:
        _AGREEMENTS[kind] = trainer.compare_ways()
    found = _AGREEMENTS[kind]
    if not found.agrees:
        trainer = _Trainer(runs, data, *arguments, **options | {"way": "plain"})
        trainer.reason = f"the fused step differs from the plain one in {found.tensor}"
        logger.warning("%s: plain steps: %s.", run.label, trainer.reason)
    trainer.check = found
    return trainer


def _trained(trainer: "_Trainer", checkpoint: State | None = None, **hooks: Any) -> "_Trainer":
    if checkpoint is not None:
        trainer.load(checkpoint)
    trainer.advance(**hooks)
    return trainer


@dataclasses.dataclass(frozen=True)
class _Scores:
    """An evaluation on one set, a value a seed; ``even`` and ``odd`` are accuracies on half of its examples."""

    accuracy: list[float]
    loss: list[float]
    even: list[float]
    odd: list[float]
    sd: list[float | None]
    batches: list[int | None]


class _Trainer:
    """A cohort in training; everything that changes is in :meth:`_tensors`, ``step`` and ``rows``."""

    def __init__(
        self,
        runs: Sequence[Run],
        data: Dataset,
        device: torch.device,
        starts: Sequence[TrainingResult] | None,
        cohort: type[Cohort] | None = None,
        way: str = "auto",
        graphs: bool = True,
    ) -> None:
        check_choice("way", way, WAYS)
        self.run = run = runs[0]
        if any(dataclasses.replace(other, seed=run.seed) != run for other in runs):
            raise InputError("the runs of a cohort must differ in their seed alone: train the others on their own.")
        if run.start is not None and starts is None:
            raise InputError(f"{run.label} goes on from a pre-training: train its start first and pass it on.")
        networks.check_images(run.network, data.x_train.shape[1:])
        networks.check_initialization(run.network, run.initialization)
        check_precision(run.precision, device.type)
        self.data, self.device = data.to(device), device
        size, n = len(data.x_train), run.batch_size
        if device.type == "cpu":
            torch.set_flush_denormal(True)
            _keep_freed_memory()
        seeds = torch.tensor([run.seed for run in runs], device=device)
        self.labels = self.data.y_train.expand(len(runs), -1)  # [S, N]
        if run.label_noise:
            self.labels = flip_labels(self.data.y_train, data.num_classes, seeds, run.label_noise)
        self.first_step = _steps(run.pretrain_epochs, Fraction(size, n))
        self.method = registry.build(run.method, size, n, seeds, first_step=self.first_step, options=run.options)
        self.way, self.reason = self._way(way if cohort is None else "plain")
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
        self.updates_per_epoch = self.method.updates_per_epoch
        self.steps = self._steps(run.epochs)
        if self.method.end is not None:
            self.steps = min(self.steps, self.method.end)
        count = round(run.epochs * run.evaluations_per_epoch)
        self.epoch_ends = {self._steps(k) for k in range(1, int(run.epochs) + 1)}
        evaluations = {self._steps(k / run.evaluations_per_epoch) for k in range(count + 1)}
        self.evaluations = {step for step in evaluations if step < self.steps} | {self.steps}

        self.counts = torch.zeros(len(runs), size, dtype=torch.int32, device=device)
        self.one = torch.ones(len(runs), n, dtype=torch.int32, device=device)
        if self.way == "fused":
            self.optimizer = self.cohort.adadelta(run.rho)
            self._fused = FusedStep(run, self.cohort, self.optimizer, self.method, self.data, self.labels, self.counts)
        else:
            self.optimizer = optimizers.build(run, self.cohort.parameters)
        # The learning rate of the step prepared; where steps are captured, or fused, it is read from the device.
        self._rate: float | Tensor = 0.0
        if device.type == "cuda" or self.way == "fused":
            self._rate = torch.zeros((), device=device)
            self._counter = torch.zeros((), dtype=torch.int64, device=device)
        self._rate_known: float | None = None
        self.step = self.first_step
        self._refreshed: int | None = None  # the step that the method was refreshed for
        self.rows: list[list[tuple]] = [[] for _ in runs]
        self.forwards, self.backwards = [0] * len(runs), 0  # examples passed through; all seeds train as many
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        if run.start is not None:
            self._load_starts(starts)

    def advance(
        self,
        save_checkpoint: Callable[[State], None] | None = None,
        checkpoint_seconds: float = 60.0,
        deadline: float | None = None,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        """Train to the end of the budget."""
        if self.step == 0 and not self.rows[0]:
            self._evaluate()
        one_step = self.step_function()
        saved = time.monotonic()
        while self.step < self.steps and not self._diverged():
            now = time.monotonic()
            late = deadline is not None and deadline < now
            if save_checkpoint is not None and (late or now > saved + checkpoint_seconds):
                save_checkpoint(self.save())
                saved = now
            if late:
                raise DeadlineError(f"{self.run.label}: {self.step} of {self.steps} steps done.")
            with self._timed("train"):
                self.prepare(self.step)
                self._count(one_step(self.step))
            self.step += 1
            if self.step in self.evaluations:
                self._evaluate()
                if report is not None:
                    report(Progress(self.step, self.steps, self.rows[0][-1]))

    def wait(self) -> None:
        """Until the device has done what it was told to."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def step_function(self) -> Callable[[int], int]:
        """What makes the step that :meth:`prepare` prepared: a CUDA graph where there can be one."""
        one_step = self.fused_step if self.way == "fused" else self.plain_step
        return self._captured_step(one_step) or one_step

    def fused_step(self, step: int | Tensor) -> int:
        """As :meth:`plain_step`, in a few kernels."""
        if isinstance(step, int):
            step = self._counter.fill_(step)
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
                logits, losses = self.cohort.scores(images, labels)
            self.optimizer.step(gradients, self._rate)
            if when == "after":
                logits = self.cohort.logits(images, masks if dropout else (), training=dropout)
                losses = cross_entropy(logits, labels)
            self.counts.scatter_add_(1, indices, self.one[:, : indices.shape[1]])
            self.method.observe(indices, logits, losses)
        return indices.shape[1]

    def save(self) -> State:
        """The whole cohort, to go on from bit for bit."""
        state = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self._tensors().items()}
        rest = {name: getattr(self, name) for name in ("step", "rows", "seconds", "forwards", "backwards")}
        return state | {"rest": np.frombuffer(json.dumps(rest).encode(), np.uint8)}

    def load(self, state: State) -> None:
        """Go on from what :meth:`save` gave."""
        self._copy_in({name: array for name, array in state.items() if name != "rest"}, self._tensors())
        self.cohort.refresh()
        rest = json.loads(state["rest"].tobytes())
        self.step, self.seconds, self._refreshed = rest["step"], rest["seconds"], None
        self.forwards, self.backwards = rest["forwards"], rest["backwards"]
        self.rows = [[tuple(row) for row in rows] for rows in rest["rows"]]

    def outcomes(self, *, with_state: bool = False) -> list[TrainingResult]:
        """One outcome a seed; the time of a cohort is shared out evenly."""
        share = {name: seconds / len(self.rows) for name, seconds in self.seconds.items()}
        return [
            TrainingResult(COLUMNS, tuple(rows), share, self._state_of(place) if with_state else None, self.computed)
            for place, rows in enumerate(self.rows)
        ]

    @property
    def computed(self) -> dict[str, Any]:
        """How, as :attr:`TrainingResult.computed` says it."""
        about = {"way": self.way, "captured": self.captured, "arithmetic": ARITHMETIC[self.run.precision]}
        maybe = {"check": self.check and self.check.to_dict(), "reason": self.reason}
        return about | {name: value for name, value in maybe.items() if value}

    def scores(self, images: Tensor, labels: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """The cohort's :meth:`Cohort.scores`, in the run's arithmetic."""
        with arithmetic(self.run.precision, self.device):
            return self.cohort.scores(images, labels, **options)

    def prepare(self, step: int) -> None:
        """The host's work before a step, and once the forward passes that the method's choice needs."""
        if step != self._refreshed:
            self.method.refresh(step, self._evaluate_examples)
            self._refreshed = step
        self.method.prepare(step)
        rate = self._learning_rate(step)
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
        return self.scores(self.data.x_train[shown], self.labels.gather(1, shown))

    def _count(self, trained: int) -> None:
        """A step's passes: a second forward pass where the method is not given the step's own logits."""
        passes = 1 if self.method.scored == ("before", True) else 2
        self.forwards = [forwards + passes * trained for forwards in self.forwards]
        self.backwards += trained

    def _learning_rate(self, step: int) -> float:
        rate = self.run.learning_rate * self.method.learning_rate_factor(step)
        if self.run.learning_rate_schedule == "cosine":
            rate *= (1 + math.cos(math.pi * (step - self.first_step) / (self.steps - self.first_step))) / 2
        if self.run.learning_rate_decay != 1:
            rate *= self.run.learning_rate_decay ** (step // self.updates_per_epoch)
        return rate

    def _evaluate(self) -> None:
        with self._timed("train"):
            self.wait()
        with self._timed("evaluate"):
            data, most = self.data, self.run.evaluate_train_examples
            train = self._scores(data.x_train[:most], self.labels[:, :most])
            val = self._scores(data.x_test, data.y_test)
            distinct, per_class = [None] * len(self.rows), [None] * len(self.rows)
            if self.step in self.epoch_ends:
                distinct = (self.counts > 0).sum(1).tolist()
                zeros = torch.zeros(len(self.rows), data.num_classes, dtype=torch.int32, device=self.device)
                per_class = zeros.scatter_add_(1, self.labels, self.counts).tolist()
                self.counts.zero_()
            columns = {"acc/train": train.accuracy, "acc/val": val.accuracy, "loss/train": train.loss}
            columns |= {"loss/val": val.loss, "draws/distinct": distinct, "draws/per-class": per_class}
            columns |= {"acc/choose": val.even, "acc/report": val.odd, "acc/train-sd": train.sd, "acc/val-sd": val.sd}
            columns |= {"batches/train": train.batches, "batches/val": val.batches}
            columns |= {"forwards": self.forwards, "backwards": [self.backwards] * len(self.rows)}
            epoch = self.step * self.updates_per_epoch.denominator / self.updates_per_epoch.numerator
            for rows, values in zip(self.rows, zip(*columns.values(), strict=True), strict=True):
                rows.append((self.step, epoch, *values))

    def _scores(self, images: Tensor, labels: Tensor) -> "_Scores":
        run, width = self.run, len(self.rows)
        at_once = run.batch_size if run.evaluation_statistics == "batch" else None
        logits, losses = self.scores(images, labels, statistics=run.evaluation_statistics, at_once=at_once)
        hits = (logits.argmax(2) == labels).double()
        hits.masked_fill_(losses.isnan().any(1, keepdim=True), torch.nan)
        even, odd = (hits[:, first::2].mean(1).tolist() for first in (0, 1))
        if run.evaluation_average == "examples":
            means = hits.mean(1), losses.double().mean(1)
            return _Scores(means[0].tolist(), means[1].tolist(), even, odd, [None] * width, [None] * width)
        parts, loss = (
            torch.stack([part.mean(1) for part in values.split(run.batch_size, 1)])
            for values in (hits, losses.double())
        )
        sd = [value if math.isfinite(value) else None for value in parts.std(0).tolist()]
        return _Scores(parts.mean(0).tolist(), loss.mean(0).tolist(), even, odd, sd, [len(parts)] * width)

    def _diverged(self) -> bool:
        """Has no seed a network of numbers left? No update brings one back.

        A loss that is not a number is not enough: batch normalisation's running statistics may be too young for one.
        """
        if not all(math.isnan(rows[-1][COLUMNS.index("loss/train")]) for rows in self.rows):
            return False
        whole = [parameter.isfinite().reshape(len(self.rows), -1).all(1) for parameter in self.cohort.parameters]
        return not torch.stack(whole).all(0).any()

    def _steps(self, epochs: float) -> int:
        return _steps(epochs, self.updates_per_epoch)

    def _tensors(self) -> dict[str, Tensor]:
        parts = {"network": self.cohort.tensors, "optimizer": self.optimizer.tensors, "method": self.method.tensors}
        named = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
        return named | {"counts": self.counts}

    def _state_of(self, place: int) -> State:
        """Network and optimiser of one seed."""
        tensors = {name: t for name, t in self._tensors().items() if name.startswith(("network/", "optimizer/"))}
        if self.cohort.stacked:
            tensors = {name: tensor[place] for name, tensor in tensors.items()}
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}

    def _load_starts(self, starts: Sequence[TrainingResult]) -> None:
        parts = ("network/",) if self.run.pretrain_optimizer_state == "fresh" else ("network/", "optimizer/")
        states = [{n: array for n, array in start.state.items() if n.startswith(parts)} for start in starts]
        whole = {n: np.stack([s[n] for s in states]) for n in states[0]} if self.cohort.stacked else states[0]
        self._copy_in(whole, {n: tensor for n, tensor in self._tensors().items() if n.startswith(parts)})
        self.cohort.refresh()
        self.rows = [list(start.rows) for start in starts]
        forwards, backwards = (COLUMNS.index(name) for name in ("forwards", "backwards"))
        self.forwards = [rows[-1][forwards] for rows in self.rows]
        self.backwards = self.rows[0][-1][backwards]

    @staticmethod
    def _copy_in(arrays: State, tensors: dict[str, Tensor]) -> None:
        if arrays.keys() != tensors.keys() or any(arrays[n].shape != tensors[n].shape for n in arrays):
            raise StateMismatchError(
                "the saved state belongs to another network, method or data set: remove it and train anew."
            )
        with torch.no_grad():
            for name, array in arrays.items():
                tensors[name].copy_(torch.from_numpy(array))

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began

    def _way(self, wanted: str) -> tuple[str, str]:
        """The way of the steps, and why it is not the fused one."""
        if wanted == "plain" or (wanted == "auto" and self.device.type != "cuda"):
            return "plain", ""
        reason = fused_support.reason_against(self.run, self.method, self.data.num_classes, self.device)
        if reason and wanted == "fused":
            raise InputError(f"{self.run.label} cannot take the fused step: {reason}.")
        return ("plain", f"no fused step: {reason}") if reason else ("fused", "")

    def compare_ways(self) -> agreement.Agreement:
        """How far a fused cohort's evaluation, and a few of its steps from here on, are from the plain way's.

        Everything is put back afterwards; the forward pass that the next step asks for is made, by a way that agrees.
        """
        fast, plain, exact = self._evaluations()
        nothing = {name: torch.zeros_like(tensor) for name, tensor in fast.items()}
        found = agreement.compare(nothing, [fast], [plain], [exact])
        return found if not found.agrees else agreement.compare(*self._steps_by_way())

    def _by_way(self) -> Iterator[str]:
        """The fused way, the plain one, and the plain one in float32, as the cohort is set to each."""
        precision = self.cohort.precision
        for name, of in (("fused", precision), ("plain", precision), ("exact", "float32")):
            self.cohort.precision = of
            yield name
        self.cohort.precision = precision

    def _evaluations(self) -> list[dict[str, Tensor]]:
        images, labels, found = self.data.x_test[:CHECKED_IMAGES], self.data.y_test[:CHECKED_IMAGES], []
        for name in self._by_way():
            scores = self.cohort.scores if name == "fused" else functools.partial(Cohort.scores, self.cohort)
            with arithmetic(self.cohort.precision, self.device):
                found.append({"logits": scores(images, labels)[0]})
        return found

    def _steps_by_way(self) -> tuple[dict[str, Tensor], list, list, list]:
        """The state, and those after each of a few steps by the three ways."""
        self.prepare(self.step)
        before, states = cuda_graph.snapshot(self._tensors()), []
        for name in self._by_way():
            one_step = self.fused_step if name == "fused" else self.plain_step
            self._restore(before)
            self._refreshed = self.step  # before which the state restored was taken
            states.append([])
            for step in range(self.step, min(self.step + CHECKED, self.steps)):
                self.prepare(step)
                one_step(step)
                states[-1].append(cuda_graph.snapshot(self._tensors()))
        self._restore(before)
        self._refreshed = self.step
        self.prepare(self.step)
        return before, *states

    def _captured_step(self, one_step: Callable[[int | Tensor], int]) -> Callable[[int], int] | None:
        """The whole step as one CUDA graph, checked against the step itself; else None, and ``reason`` says why."""
        if self.device.type != "cuda" or self.step >= self.steps:
            return None
        reason = None
        if not self.graphs:
            reason = "graphs are off"
        elif not self.method.capturable:
            reason = f"{self.run.method} draws in rounds that the host counts"
        elif len(self.data.x_train) < self.run.batch_size:
            reason = "every mini-batch is short"
        else:
            try:
                return self._capture(one_step)
            except cuda_graph.ReplayMismatchError as error:
                reason = str(error)
        self.reason = "; ".join(filter(None, (self.reason, f"no CUDA graph: {reason}")))
        logger.warning("%s: no CUDA graph: %s.", self.run.label, reason)
        return None

    def _capture(self, one_step: Callable[[int | Tensor], int]) -> Callable[[int], int]:
        self.prepare(self.step)
        counter = self._counter.fill_(self.step)
        graph, trained = cuda_graph.capture(lambda: one_step(counter), self._tensors(), self._restore)
        self.captured = True

        def replay(step: int) -> int:
            if self.method.short(step):  # of another shape than what was captured
                return one_step(step)
            counter.fill_(step)
            graph.replay()
            return trained

        return replay

    @torch.no_grad()
    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in self._tensors().items():
            tensor.copy_(tensors[name])
        self.cohort.refresh()


@functools.cache
def _keep_freed_memory() -> None:
    """Have glibc, where it is the C library, keep what is freed: every step asks for the same megabytes again.

    Without this a bf16 step has 3,400 page faults, a fifth of its time.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        trim_threshold, mmap_threshold = -1, -3  # their numbers in malloc.h
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


def _steps(epochs: float, updates_per_epoch: int | Fraction) -> int:
    """Updates in so many mini-batch epochs."""
    return round(epochs * updates_per_epoch.numerator / updates_per_epoch.denominator)
