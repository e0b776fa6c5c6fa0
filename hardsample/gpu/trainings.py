"""The stages ``runs`` and ``float32``: what is missing of paper A's runs, trained cohort by cohort and stored."""

import dataclasses
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hardsample import paths
from hardsample.config import Run
from hardsample.data import formats
from hardsample.data.dataset import Dataset, load
from hardsample.gpu import plan
from hardsample.gpu.cohorts import FIGURES, Cohort, cohorts, expected_seconds
from hardsample.gpu.images import random_images
from hardsample.gpu.task import Again, Task, graph_options
from hardsample.records import check_fingerprints, data_choice
from hardsample.runs.devices import one_thread
from hardsample.runs.provenance import provenance
from hardsample.runs.store import Store
from hardsample.training import cuda_graph
from hardsample.training import trainer as training
from hardsample.training.results import DeadlineError, Progress, TrainingResult
from hardsample.training.updates import stepper


def runs(task: Task) -> dict[str, Any]:
    """What is missing of paper A's runs, in bf16; tiny, those of Figure 3 in float32."""
    figures = FIGURES[2:3] if task.tiny else FIGURES
    return _trained(task, cohorts(_source(task), task.precision, figures, tiny=task.tiny))


def float32(task: Task) -> dict[str, Any]:
    """Figure 1 in float32."""
    return _trained(task, cohorts(_source(task), "float32", FIGURES[:1], tiny=task.tiny))


def _source(task: Task) -> str:
    """What the data are loaded from."""
    if task.data != plan.TINY:
        return task.data
    # As many as Figure 3's largest mini-batch in smoke, which LB draws without replacement.
    path, images = task.work / "data" / f"{plan.TINY}.npz", random_images(64, 16, classes=4)
    if not path.exists():
        file = io.BytesIO()
        np.savez(file, **{name: getattr(images, name).numpy() for name in formats.ARRAYS})
        paths.write_atomically(path, file.getvalue())
    return str(path)


def _trained(task: Task, wanted: Sequence[Cohort]) -> dict[str, Any]:
    """Train and store what is missing, cohort by cohort; each begins only where it should end in time.

    A cohort that fails leaves this process, which it may have broken, and the next process goes on without it; one that
    no CUDA graph can hold is tried again there without.
    """
    result = task.earlier()
    known = result.setdefault("cohorts", {})
    if not task.again:
        for label in [label for label, about in known.items() if about["state"] != "stored"]:
            del known[label]
    store, elsewhere = Store(task.work / "runs"), Store()
    first = wanted[0].runs[0]
    data = load(_source(task), train_examples=first.train_examples, test_examples=first.test_examples)
    every = [run for cohort in wanted for run in cohort.runs]
    for place in (elsewhere, store):
        check_fingerprints(place.done(every).items(), {data_choice(first): data.fingerprint})
    pace = _Pace(task, data, first.precision)
    starts: dict[tuple[Run, ...], list[TrainingResult]] = {}
    for cohort in wanted:
        about = known.setdefault(cohort.label, {"state": "missing"}) | {"figure": cohort.figure}
        missing = tuple(elsewhere.missing(cohort.runs))
        if not store.missing(missing):
            known[cohort.label] = about | {"state": "stored"}
            continue
        if about["state"] == "failed":
            continue
        cohort = dataclasses.replace(cohort, runs=missing)
        try:
            graphs = graph_options(about)
            about["expected"] = round(pace.expected(cohort, graphs, begun=cohort.starts in starts), 3)
            about |= {"state": "out of time"}
            if about["expected"] < task.left:
                about |= _train(task, cohort, data, starts, store, pace, graphs)
        except DeadlineError:
            pass
        except cuda_graph.CaptureError as error:
            print(error, flush=True)
            known[cohort.label] = about | {"state": "missing", "graphs": False}
            task.keep(result)
            raise Again from error
        except Exception as error:
            known[cohort.label] = about | {"state": "failed", "reason": f"{type(error).__name__}: {error}"[:300]}
            task.keep(result)
            raise Again from error
        known[cohort.label] = about
        print(f"{cohort.label}: {about['state']}, {task.left:.0f} s left", flush=True)
        task.keep(result)
    return result | _summary(known, {cohort.label for cohort in wanted})


def _summary(known: Mapping[str, Mapping[str, Any]], labels: set[str]) -> dict[str, Any]:
    counts = {state: sum(known[label]["state"] == state for label in labels) for state in ("stored", "failed")}
    if counts["failed"]:
        return {
            "state": "failed",
            "reason": f"{counts['failed']} of {len(labels)} cohorts failed, see {plan.RESULTS}",
        }
    if counts["stored"] < len(labels):
        return {"state": "out of time", "reason": f"{counts['stored']} of {len(labels)} cohorts are stored"}
    return {"state": "done", "reason": ""}


def _train(
    task: Task,
    cohort: Cohort,
    data: Dataset,
    starts: dict[tuple[Run, ...], list[TrainingResult]],
    store: Store,
    pace: "_Pace",
    graphs: dict[str, bool],
) -> dict[str, Any]:
    """Train a cohort and store its runs; ``starts`` are the pre-trainings done so far, kept for the others."""
    began = time.monotonic()
    hooks = {"device": task.device, "deadline": task.deadline, "report": _alive} | graphs
    with one_thread(task.device):
        if cohort.starts and cohort.starts not in starts:
            starts[cohort.starts] = training.pretrain(cohort.starts, data, **hooks)
        given = starts.get(cohort.starts)
        outcomes = training.train(cohort.runs, data, starts=given, **hooks)
    wall = time.monotonic() - began
    pretrain = [sum(start.seconds.values()) for start in given] if given else [0.0] * len(outcomes)
    for run, outcome, seconds in zip(cohort.runs, outcomes, pretrain, strict=True):
        made = provenance(run, data, task.device, outcome, pretrain=seconds, wall=wall, cohort=len(outcomes))
        store.write(run, outcome, made)
    pace.learn(cohort, outcomes)
    return {"state": "stored", "seeds": len(outcomes), "seconds": round(wall, 3)} | pace.of(cohort)


def _alive(progress: Progress) -> None:
    print(f"  {progress.step} of {progress.steps} steps", flush=True)


class _Pace:
    """Seconds that a cohort takes: its step timed for each mini-batch size, the rest as it was the last time."""

    def __init__(self, task: Task, data: Dataset, precision: str) -> None:
        self.task, self.data, self.size = task, data, len(data.x_train)
        self.step: dict[int, float] = {}
        self.evaluation = plan.EXPECTED[precision].evaluation
        self.building = plan.EXPECTED[precision].cohort

    def expected(self, cohort: Cohort, graphs: dict[str, bool], *, begun: bool) -> float:
        """Seconds for a cohort, and for its pre-trainings unless they were ``begun`` with."""
        run = cohort.runs[0]
        if run.batch_size not in self.step:
            self.step[run.batch_size] = self._timed(cohort, graphs)
        return expected_seconds(run, self.size, self.step[run.batch_size], self.evaluation, self.building, begun=begun)

    def learn(self, cohort: Cohort, outcomes: Sequence[TrainingResult]) -> None:
        """Take the measured seconds of a cohort that was trained."""
        run, width = cohort.runs[0], len(outcomes)
        steps = (run.epochs - run.pretrain_epochs) * self.size / run.batch_size
        rows = len(outcomes[0].rows) * (1 - run.pretrain_epochs / run.epochs)
        if steps and rows:
            self.step[run.batch_size] = outcomes[0].seconds["train"] * width / steps
            self.evaluation = outcomes[0].seconds["evaluate"] * width / rows

    def of(self, cohort: Cohort) -> dict[str, float]:
        """What is known of the cohort's step and evaluation."""
        return {"step": self.step[cohort.runs[0].batch_size], "evaluation": self.evaluation}

    def _timed(self, cohort: Cohort, graphs: dict[str, bool]) -> float:
        """Seconds of a step, from a few of them."""
        runs = [dataclasses.replace(run, pretrain_epochs=0.0) for run in cohort.runs]
        with one_thread(self.task.device):
            update = stepper(runs, self.data, device=self.task.device, **graphs)
            return self.task.seconds_of(update, 2 if self.task.tiny else 50)
