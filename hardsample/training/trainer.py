"""The one loop: a cohort of seeds, one method, one budget -> rows of metrics."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hardsample.config import Run
from hardsample.data.dataset import Dataset
from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.training import checkpoint as checkpoints
from hardsample.training import evaluation, networks
from hardsample.training.details import Details
from hardsample.training.process import flushed_denormals
from hardsample.training.results import COLUMNS, DeadlineError, Progress, State, TrainingResult
from hardsample.training.step import TrainingStep
from hardsample.training.ways import agreed_step, fastest


def pretrain(
    runs: Sequence[Run], data: Dataset, *, device: str = "cpu", graphs: bool = True, **hooks: Any
) -> list[TrainingResult]:
    """Train a cohort of pre-trainings (:attr:`Run.start`) and keep the states that the methods go on from.

    ``hooks`` are those of :func:`train`, from ``checkpoint`` on.
    """
    with flushed_denormals(device):
        step = agreed_step(runs, data, torch.device(device), graphs=graphs)
        trainer = Trainer(step, identity=checkpoints.identity(runs, None))
        return _trained(trainer, **hooks).results(with_state=True)


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
    with flushed_denormals(device):
        step = agreed_step(runs, data, torch.device(device), starts, graphs=graphs)
        trainer = Trainer(step, starts, checkpoints.identity(runs, starts))
        return _trained(trainer, checkpoint, **hooks).results()


def check(run: Run, data: Dataset) -> None:
    """Refuse a run that could not begin on these data.

    Raises:
        InputError: its network, method or one of their options does not fit the data.
    """
    data.check_class_imbalance(run.class_imbalance)
    networks.check_images(run.network, data.x_train.shape[1:])
    networks.check_initialization(run.network, run.initialization)
    networks.check_input_scaling(run.network, run.input_scaling, data)
    size, n = len(data.x_train), run.batch_size
    method = registry.build(run.method, size, n, torch.tensor([run.seed]), options=run.options)
    tail = size % n if isinstance(method.updates_per_epoch, int) and not run.options.get("drop_last") else n
    if networks.find(run.network).batch_normalized and 1 in (n, tail):
        raise InputError(
            f"mini-batches of {n} of {size} images come down to a single one, on which batch normalisation cannot be"
            " trained: choose another batch_size or number of examples, or drop_last=True."
        )


def _trained(trainer: "Trainer", checkpoint: State | None = None, **hooks: Any) -> "Trainer":
    if checkpoint is not None:
        trainer.load(checkpoint)
    trainer.advance(**hooks)
    return trainer


class Trainer:
    """A cohort in training; everything that changes is in ``parts``, ``details``, ``step`` and ``rows``.

    Args:
        parts: what makes its steps.
        starts: the outcome of every run's :attr:`Run.start`, where it has one; their rows come first.
        identity: what :func:`hardsample.training.checkpoint.identity` gives of the runs and the starts.
    """

    def __init__(self, parts: TrainingStep, starts: Sequence[TrainingResult] | None = None, identity: str = "") -> None:
        self.parts, self.step, self.identity = parts, parts.schedule.first_step, identity
        self.rows: list[list[tuple]] = [[] for _ in parts.labels]
        if parts.run.start is not None and starts is not None:
            self.rows = [list(start.rows) for start in starts]
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self.details = Details(parts) if parts.run.detail == "examples" else None
        self.kept: list[dict[str, np.ndarray]] = [{} for _ in parts.labels]

    def advance(
        self,
        save_checkpoint: Callable[[State], None] | None = None,
        checkpoint_seconds: float = 60.0,
        deadline: float | None = None,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        """Train to the end of the budget."""
        if self.step == 0 and not self.rows[0]:
            self.evaluate()
        one_step = fastest(self.parts, self.step)
        saved = time.monotonic()
        while self.step < self.parts.schedule.steps and not self._diverged():
            self._look()
            now = time.monotonic()
            late = deadline is not None and deadline < now
            if save_checkpoint is not None and (late or now > saved + checkpoint_seconds):
                save_checkpoint(self.save())
                saved = now
            if late:
                raise DeadlineError(f"{self.parts.run.label}: {self.step} of {self.parts.schedule.steps} steps done.")
            with self._timed("train"):
                self.parts.prepare(self.step)
                self.parts.count(one_step(self.step))
            self.step += 1
            if self.step in self.parts.schedule.evaluations:
                self.evaluate()
                if report is not None:
                    report(Progress(self.step, self.parts.schedule.steps, self.rows[0][-1]))
        self._look(ended=True)

    def evaluate(self) -> None:
        """Add a row for each seed."""
        with self._timed("train"):
            self.parts.wait()
        with self._timed("evaluate"):
            for rows, row in zip(self.rows, evaluation.rows(self.parts, self.step), strict=True):
                rows.append(row)

    def save(self) -> State:
        """The whole cohort, to go on from bit for bit."""
        return checkpoints.save(self._tensors, self._rest)

    def load(self, state: State) -> None:
        """Go on from what :meth:`save` gave.

        Raises:
            StateMismatchError: the state is of other runs.
        """
        rest = checkpoints.load(state, self._tensors, self._rest)
        self.parts.cohort.refresh()
        self.step, self.seconds, self.parts.refreshed = rest["step"], rest["seconds"], None
        self.parts.forwards, self.parts.backwards = rest["forwards"], rest["backwards"]
        self.rows = [[tuple(row) for row in rows] for rows in rest["rows"]]

    def results(self, *, with_state: bool = False) -> list[TrainingResult]:
        """One a seed; the time of a cohort is shared out evenly."""
        parts, tensors = self.parts, self.parts.tensors
        share = {name: seconds / len(self.rows) for name, seconds in self.seconds.items()}
        states = [
            checkpoints.of_seed(tensors, place, stacked=parts.cohort.stacked) if with_state else None
            for place in range(len(self.rows))
        ]
        return [
            TrainingResult(COLUMNS, tuple(rows), share, state, parts.computed, detail)
            for rows, state, detail in zip(self.rows, states, self.kept, strict=True)
        ]

    @property
    def _rest(self) -> dict[str, Any]:
        """What else a training goes on from, as plain values, and whose it is."""
        rest = {"step": self.step, "rows": self.rows, "seconds": self.seconds, checkpoints.OF: self.identity}
        return rest | {"forwards": self.parts.forwards, "backwards": self.parts.backwards}

    @property
    def _tensors(self) -> dict[str, Tensor]:
        """All that a training goes on from."""
        return self.parts.tensors | (self.details.tensors if self.details is not None else {})

    def _look(self, *, ended: bool = False) -> None:
        """Measure what the run keeps of single examples, where it keeps any and this is a moment for it."""
        if self.details is None or not (ended or self.details.due(self.step)):
            return
        with self._timed("train"):
            self.parts.wait()
        with self._timed("evaluate"):
            self.details.measure(self.step)
            if ended:
                self.kept = self.details.arrays(self.step)

    def _diverged(self) -> bool:
        """Has no seed a network of numbers left? No update brings one back.

        A loss that is not a number is not enough: batch normalisation's running statistics may be too young for one.
        """
        if not all(math.isnan(rows[-1][COLUMNS.index("loss/train")]) for rows in self.rows):
            return False
        whole = [parameter.isfinite().reshape(len(self.rows), -1).all(1) for parameter in self.parts.cohort.parameters]
        return not torch.stack(whole).all(0).any()

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began
