"""The stages of :mod:`hardsample.gpu.campaign`, each a function of what it is told: python -m hardsample.gpu.stages
STAGE.

Two more names do what needs no GPU: ``reference`` writes the file that the correctness of a GPU is held to, and
``expected`` prints the minutes that the stages are expected to take.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import json
import math
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hardsample import paths, randomness
from hardsample.config import Run
from hardsample.data import formats
from hardsample.data.dataset import Dataset, load
from hardsample.errors import InputError
from hardsample.experiments import hard_samples, registry
from hardsample.gpu import campaign
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.randomness import Stream
from hardsample.records import check_fingerprints, data_choice
from hardsample.runs.devices import count_cores, one_thread
from hardsample.runs.provenance import accelerator, device_name, provenance, source_hash, versions
from hardsample.runs.store import Store
from hardsample.training import agreement, cuda_graph, letters_cnn
from hardsample.training import networks as models
from hardsample.training import trainer as training
from hardsample.training.precision import arithmetic
from hardsample.training.trainer import TrainingResult

FIGURES = tuple(f"base-values/{name}" for name in ("figure-1", "figure-2", "figure-3", "figure-4", "draws"))
REFERENCE = Path(__file__).with_name("plain_step.json")
BENCHMARKS = ("fused", "cohort", "choosing", "networks")
TESTS = ("test_training", "test_base_values", "test_randomness")
SIZES = (32, 128)  # that ResNet-18 takes images at

CLOSE = 1e-3  # relative: a float32 step on another device, and another order of its sums


class Again(Exception):
    """What can be done in this process is done: go on in a fresh one."""


class StageLeftOut(Exception):
    """The stage needs what is not here."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What a stage is told: where it works, on which device and data, until when, and whether in earnest or tiny.

    ``deadline`` is of :func:`time.monotonic`; with ``again`` an earlier process of this call left off.
    """

    stage: str
    work: Path
    device: str = "cuda"
    data: str = campaign.DATA
    deadline: float = math.inf
    tiny: bool = False
    again: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds a cohort has."""
        return 2 if self.tiny else models.max_cohort_size(letters_cnn.SPEC.name)

    @property
    def precision(self) -> str:
        """What is computed in but for comparison; a CPU may be slow in bf16."""
        return "float32" if self.tiny else "bf16"

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def earlier(self) -> dict[str, Any]:
        """What this stage left before."""
        try:
            return json.loads(self._result.read_bytes())
        except (OSError, ValueError):
            return {}

    def found(self, stage: str) -> dict[str, Any]:
        """What another stage left."""
        return dataclasses.replace(self, stage=stage).earlier()

    def keep(self, result: Mapping[str, Any]) -> None:
        """Leave what was found so far; the last call's is what counts."""
        paths.write_atomically(self._result, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())

    def wait(self) -> None:
        """Until the device has done what it was told to."""
        if self.device != "cpu":
            torch.cuda.synchronize()

    @property
    def _result(self) -> Path:
        return self.work / "results" / f"{self.stage}.json"


# Environment


def environment(task: Task) -> dict[str, Any]:
    """Versions, the device, and what it reaches: bytes copied and products of matrices a second."""
    if task.device != "cpu" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA GPU here: install a build of torch that fits its driver.")
    result = {"state": "done", "device": device_name(task.device), "source": source_hash(), "versions": _versions(task)}
    result |= {"cores": count_cores(), "platform": f"{platform.system()} {platform.machine()}"}
    task.keep(result)
    mebibytes, size = (16, 256) if task.tiny else (4096, 8192)
    result["bytes a second"] = _bandwidth(task, mebibytes << 20)
    result["operations a second"] = {name: _products(task, size, name) for name in ("float32", "tf32", "bf16")}
    return result


def _versions(task: Task) -> dict[str, Any]:
    found = versions() | accelerator(task.device) | {"triton": None}
    with contextlib.suppress(ImportError):
        import triton

        found["triton"] = triton.__version__
    return found


def _bandwidth(task: Task, size: int) -> float:
    """Bytes read and written a second, by copies of ``size`` bytes."""
    source = torch.ones(size // 4, device=task.device)
    target = torch.empty_like(source)
    return 2 * size / _seconds(task, lambda: target.copy_(source), 3 if task.tiny else 30)


def _products(task: Task, size: int, precision: str) -> float | None:
    """Floating-point operations a second, by products of square matrices; None where there is no such arithmetic."""
    if precision == "tf32" and task.device == "cpu":
        return None
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.randn(size, size, device=task.device).to(kind)
    target = torch.empty_like(matrix)
    with arithmetic(precision, torch.device(task.device)):
        return 2 * size**3 / _seconds(task, lambda: torch.mm(matrix, matrix, out=target), 2 if task.tiny else 20)


def _seconds(task: Task, work: Callable[[], object], times: int) -> float:
    """Seconds of one, after a first few."""
    for _ in range(min(3, times)):
        work()
    task.wait()
    began = time.perf_counter()
    for _ in range(times):
        work()
    task.wait()
    return (time.perf_counter() - began) / times


# Correctness


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
        runs = [Run(campaign.TINY, method, seed, precision="float32") for seed in (1, 2)]
        trainer = _trainer(runs, data, device, "plain")
        found[method] = []
        for step in range(steps):
            _advance(trainer, step, trainer.plain_step)
            _, losses = trainer.scores(trainer.data.x_test, trainer.data.y_test)
            norms = {
                name: tensor.detach().double().flatten(1).norm(dim=1).tolist()
                for name, tensor in trainer.cohort.tensors.items()
            }
            found[method].append({"loss": losses.double().mean(1).tolist(), **norms})
    return found


def random_images(train: int, test: int, channels: int = 1, size: int = 28, classes: int = 26) -> Dataset:
    """Images of :mod:`hardsample.randomness`, equal everywhere, of classes that differ in their brightness."""
    seed = torch.tensor([2026])
    shape = (train + test, channels, size, size)
    labels = randomness.bits(seed, Stream.LABELS, 0, train + test)[0].remainder(classes)
    octets = randomness.bits(seed, Stream.ORDER, 0, -(-math.prod(shape) // 8))[0].view(torch.uint8)[: math.prod(shape)]
    images = octets.view(shape) // 2 + (labels * 127 // classes).to(torch.uint8).view(-1, 1, 1, 1)
    names = tuple(map(str, range(classes)))
    return Dataset(campaign.TINY, images[:train], labels[:train], images[train:], labels[train:], names, True)


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
    runs = [Run(campaign.TINY, method, seed, options=options, precision=task.precision) for seed in seeds]
    exact = [dataclasses.replace(run, precision="float32") for run in runs]
    states = []
    with one_thread(task.device):
        taken = _trainer(runs, data, task.device, "auto")
        plain, in_full = (_trainer(each, data, task.device, "plain") for each in (runs, exact))
        ways = ((taken, taken.step_function()), (plain, plain.plain_step), (in_full, in_full.plain_step))
        for trainer, _ in ways:
            trainer.prepare(0)
        before = cuda_graph.snapshot(plain._tensors())
        for trainer, one_step in ways:
            trainer._restore(before)  # first base values differ in their rounding, and with them draws would
            states.append([])
            for step in range(steps):
                _advance(trainer, step, one_step)
                states[-1].append(cuda_graph.snapshot(trainer._tensors()))
    return agreement.compare(before, *states).to_dict() | {"computed": taken.computed}


def _trainer(runs: Sequence[Run], data: Dataset, device: str, way: str) -> "training._Trainer":
    return training._Trainer(runs, data, torch.device(device), None, way=way)


def _advance(trainer: "training._Trainer", step: int, one_step: Callable[[int], int]) -> None:
    trainer.prepare(step)
    one_step(step)


# Runs


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that are trained together, and the figure that they are for first."""

    figure: str
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """The runs without their seeds."""
        return self.runs[0].label

    @property
    def starts(self) -> tuple[Run, ...]:
        """Their pre-trainings; empty if they have none."""
        return tuple(run.start for run in self.runs if run.start is not None)


def cohorts(data: str, precision: str, figures: Sequence[str] = FIGURES, *, tiny: bool = False) -> list[Cohort]:
    """The runs of paper A's figures, each once, figure by figure."""
    found: dict[Run, tuple[str, list[Run]]] = {}
    profile, seeds, examples = ("smoke", 2, 64) if tiny else ("paper", 0, 0)
    for figure in figures:
        grid = registry.grid(figure, profile=profile, data=data, seeds=seeds, examples=examples, precision=precision)
        for run in grid.runs:
            run = dataclasses.replace(run, test_examples=16, epochs=2.0) if tiny else run
            if run.method != "LB" or run.options:  # the bare reading draws on the host, and is shown on a CPU
                runs = found.setdefault(dataclasses.replace(run, seed=0), (figure, []))[1]
                runs += [run] * (run not in runs)
    return [Cohort(figure, tuple(runs)) for figure, runs in found.values()]


def runs(task: Task) -> dict[str, Any]:
    """What is missing of paper A's runs, in bf16; tiny, those of Figure 3 in float32."""
    figures = FIGURES[2:3] if task.tiny else FIGURES
    return _trained(task, cohorts(_source(task), task.precision, figures, tiny=task.tiny))


def float32(task: Task) -> dict[str, Any]:
    """Figure 1 in float32."""
    return _trained(task, cohorts(_source(task), "float32", FIGURES[:1], tiny=task.tiny))


def _source(task: Task) -> str:
    """What the data are loaded from."""
    if task.data != campaign.TINY:
        return task.data
    path, images = task.work / "data" / f"{campaign.TINY}.npz", random_images(32, 16, classes=4)
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
            graphs = _graphs(about)
            about["expected"] = round(pace.expected(cohort, graphs, begun=cohort.starts in starts), 3)
            about |= {"state": "out of time"}
            if about["expected"] < task.left:
                about |= _train(task, cohort, data, starts, store, pace, graphs)
        except training.DeadlineError:
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
            "reason": f"{counts['failed']} of {len(labels)} cohorts failed, see {campaign.RESULTS}",
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
        made = provenance(data, task.device, outcome, pretrain=seconds, wall=wall, cohort=len(outcomes))
        store.write(run, outcome, made)
    pace.learn(cohort, outcomes)
    return {"state": "stored", "seeds": len(outcomes), "seconds": round(wall, 3)} | pace.of(cohort)


def _graphs(about: Mapping[str, Any]) -> dict[str, bool]:
    """How the training is told to capture no step, once that has failed for what is told ``about``."""
    return {} if about.get("graphs", True) else {"graphs": False}


def _alive(progress: training.Progress) -> None:
    print(f"  {progress.step} of {progress.steps} steps", flush=True)


class _Pace:
    """Seconds that a cohort takes: its step timed for each mini-batch size, the rest as it was the last time."""

    def __init__(self, task: Task, data: Dataset, precision: str) -> None:
        self.task, self.data, self.size = task, data, len(data.x_train)
        self.step: dict[int, float] = {}
        self.evaluation = campaign.EXPECTED[precision].evaluation
        self.building = campaign.EXPECTED[precision].cohort

    def expected(self, cohort: Cohort, graphs: dict[str, bool], *, begun: bool) -> float:
        """Seconds for a cohort, and for its pre-trainings unless they were ``begun`` with."""
        run = cohort.runs[0]
        if run.batch_size not in self.step:
            self.step[run.batch_size] = self._timed(cohort, graphs)
        return seconds(run, self.size, self.step[run.batch_size], self.evaluation, self.building, begun=begun)

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
            update = training.stepper(runs, self.data, device=self.task.device, **graphs)
            return _seconds(self.task, update, 2 if self.task.tiny else 50)


def seconds(run: Run, size: int, step: float, evaluation: float, building: float, *, begun: bool) -> float:
    """For a cohort of such runs on ``size`` examples, from the seconds of a step, an evaluation and of building it."""
    share = 1 - run.pretrain_epochs / run.epochs if begun else 1.0
    steps, evaluations = run.epochs * size / run.batch_size, run.epochs * run.evaluations_per_epoch + 1
    return share * (steps * step + evaluations * evaluation) + building * (1 if begun or not run.start else 2)


# Benchmarks and tests


def benchmarks(task: Task) -> dict[str, Any]:
    """The benchmarks of a GPU, part by part; one that breaks stops no other."""
    root = paths.project_root()
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise StageLeftOut(f"there is no folder benchmarks in {root}")
    result: dict[str, Any] = {"parts": {}}
    for part in ("cohort",) if task.tiny else BENCHMARKS:
        command = (sys.executable, "-m", "benchmarks", part, "--out", str(task.work / "files"))
        code = _run(command, task)
        result["parts"][part] = "done" if code == 0 else "out of time" if code is None else f"exit status {code}"
        task.keep(result)
    undone = [part for part, state in result["parts"].items() if state != "done"]
    return result | ({"state": "failed", "reason": f"not done: {', '.join(undone)}"} if undone else {"state": "done"})


def tests(task: Task) -> dict[str, Any]:
    """The tests that need a GPU and are most worth it."""
    root = paths.project_root()
    if not (root / "tests" / "conftest.py").is_file():
        raise StageLeftOut(f"there is no folder tests in {root}")
    if absent := [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]:
        raise StageLeftOut(f"{' and '.join(absent)} is not installed")
    report = task.work / "scratch" / "tests.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    chosen = ("-m", "gpu", *(f"tests/{name}.py" for name in TESTS)) if not task.tiny else ("tests/test_paths.py",)
    quiet = ("-q", "-o", "addopts=", "-p", "no:cacheprovider", f"--junitxml={report}")
    code = _run((sys.executable, "-m", "pytest", *quiet, *chosen), task)
    if code is None or not report.exists():
        return {"state": "out of time" if code is None else "failed", "reason": f"pytest ended with status {code}"}
    cases = list(ElementTree.parse(report).iter("testcase"))
    names = {kind: [_case(case) for case in cases if case.find(kind) is not None] for kind in ("failure", "error")}
    bad = names["failure"] + names["error"]
    counts = {"tests": len(cases), "skipped": sum(case.find("skipped") is not None for case in cases), "failed": bad}
    if bad or code != 0:
        return counts | {"state": "failed", "reason": f"{len(bad)} of {len(cases)} tests failed"}
    return counts | {"state": "done"}


def _case(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"


def _run(command: Sequence[str], task: Task) -> int | None:
    """A program's exit status, None if it was not done by the deadline; it prints where this process does."""
    try:
        return subprocess.run(
            command, cwd=paths.project_root(), stdin=subprocess.DEVNULL, timeout=max(1.0, task.left)
        ).returncode
    except subprocess.TimeoutExpired:
        return None


# ResNet-18


def networks(task: Task) -> dict[str, Any]:
    """ResNet-18 in bf16 at each δ: seconds of an update, its share of forward and backward alone, and of the peak.

    The peak is that of the matrix products that the environment reached.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise StageLeftOut("torchvision is not installed")
    peak = task.found("environment").get("operations a second", {}).get(task.precision)
    batch, batches, sizes, deltas = (
        (512, 10, SIZES, hard_samples.DELTAS) if not task.tiny else (2, 2, SIZES[:1], (1.0, 0.5))
    )
    data = random_images(batch * batches, batch, 3, 32, 10)
    graphs = _graphs(task.earlier() if task.again else {})
    result: dict[str, Any] = {"sizes": {}} | graphs
    for size in sizes:
        alone = _seconds(task, _forward_and_backward(task, data, batch, size, graphs), 1 if task.tiny else 20)
        operations = 3 * batch * models.flops("resnet18", 10, size)  # backward takes twice as many as forward
        about = {"batch": batch, "forward and backward": alone, "deltas": {}}
        result["sizes"][str(size)] = about
        for delta in deltas:  # of which each has whole rounds
            run = Run(
                *(data.name, "HMB", 1, {"delta": delta}, "resnet18", "sgd", 0.005),
                **{"batch_size": batch, "image_size": size, "precision": task.precision},
            )
            update = training.stepper(run, data, device=task.device, **graphs)
            for _ in range(batches):
                update()
            each = _seconds(task, update, 1 if task.tiny else 4 * batches)
            share = {"of forward and backward": alone / each, "of the peak": peak and operations / each / peak}
            about["deltas"][str(delta)] = {"update": each} | share | {"computed": update.computed}
            print(f"{size}x{size}, δ = {delta}: {1e3 * each:.2f} ms an update", flush=True)
            task.keep(result)
    return result | {"state": "done"}


def _forward_and_backward(
    task: Task, data: Dataset, batch: int, size: int, graphs: dict[str, bool]
) -> Callable[[], object]:
    """Gradients of the mean loss of one mini-batch; a CUDA graph where there can be one."""
    network = models.build("resnet18", 10, 1, size).to(task.device, memory_format=torch.channels_last).train()
    images, labels = data.x_train[:batch].to(task.device), data.y_train[:batch].to(task.device)
    parameters = list(network.parameters())

    def work() -> Sequence[Tensor]:
        with torch.autocast(task.device, torch.bfloat16, task.precision == "bf16", cache_enabled=False):
            loss = F.cross_entropy(network(images), labels)
        return torch.autograd.grad(loss, parameters)

    if task.device == "cpu" or graphs:
        return work
    return cuda_graph.capture(work, {}, lambda _: None)[0].replay


# What is expected


def expected() -> dict[str, dict[str, float]]:
    """Seconds that paper A's runs are expected to take, by figure and in all, in bf16 and, for Figure 1, in float32."""
    found = {}
    for precision, figures in (("bf16", FIGURES), ("float32", FIGURES[:1])):
        rates = campaign.EXPECTED[precision]
        sums: dict[str, float] = {"starting": rates.process + rates.compilation}
        begun: set[tuple[Run, ...]] = set()
        for cohort in cohorts(campaign.DATA, precision, figures):
            run = cohort.runs[0]
            arguments = (run, 124_800, rates.step[run.batch_size], rates.evaluation, rates.cohort)
            spent = seconds(*arguments, begun=cohort.starts in begun)
            sums[cohort.figure] = sums.get(cohort.figure, 0.0) + spent
            begun.add(cohort.starts)
        found[precision] = sums
    return found


STAGES: dict[str, Callable[[Task], dict[str, Any]]] = {
    "environment": environment,
    "correctness": correctness,
    "runs": runs,
    "benchmarks": benchmarks,
    "tests": tests,
    "float32": float32,
    "networks": networks,
}


def perform(task: Task) -> int:
    """Do the stage and leave what it found; the exit status: 0, or ``campaign.AGAIN`` for a fresh process."""
    try:
        result = STAGES[task.stage](task)
    except Again as error:
        print(f"in a fresh process again: {error.__cause__!r}", flush=True)
        return campaign.AGAIN
    except cuda_graph.CaptureError as error:
        print(error, flush=True)
        task.keep(task.earlier() | {"graphs": False})
        return campaign.AGAIN
    except StageLeftOut as error:
        result = {"state": "left out", "reason": str(error)}
    except InputError as error:
        result = {"state": "failed", "reason": str(error)}
    task.keep(result)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    if options.stage == "reference":
        made = {"versions": versions(), "device": device_name("cpu")}
        with one_thread("cpu"):
            made["steps"] = reference_steps()
        paths.write_atomically(REFERENCE, (json.dumps(made, indent=1) + "\n").encode())
        return 0
    if options.stage == "expected":
        for precision, sums in expected().items():
            for name, spent in {**sums, "in all": sum(sums.values())}.items():
                print(f"{precision:8} {name:24} {spent / 60:6.1f} min")
        return 0
    _end_with_parent()
    return perform(
        Task(
            options.stage,
            options.work,
            options.device,
            options.data,
            time.monotonic() + options.seconds,
            options.tiny,
            options.again,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hardsample.gpu.stages", description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "reference", "expected"), help="what is done")
    parser.add_argument("--work", type=Path, default=Path("gpu-work"), help="folder for results (default: %(default)s)")
    parser.add_argument("--device", choices=campaign.DEVICES, default="cuda", help="cuda or cpu (default: %(default)s)")
    parser.add_argument("--data", default=campaign.DATA, help="a data set's name or a file.npz (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="that it may take (default: any)")
    parser.add_argument("--tiny", action="store_true", help="a few seconds of the same work")
    parser.add_argument("--again", action="store_true", help="go on where another process of this call left off")
    return parser


def _end_with_parent() -> None:
    """End this process and all its group when the other end of the pipe at its input closes, as at any death there."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode) or os.getpgrp() != os.getpid():
        return  # started by hand

    def wait_and_end() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait_and_end, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
