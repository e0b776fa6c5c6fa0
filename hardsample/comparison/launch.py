"""`hardsample.compare`: train a model of one's own by several methods and seeds, and compare what comes of it."""

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hardsample import paths
from hardsample.arguments import file_name, flag, text, whole
from hardsample.comparison import identity, trials
from hardsample.comparison.pool import Job, do_here, pool
from hardsample.comparison.problem import Contestant, Problem, contestants_of, problem_of, seeds_of
from hardsample.comparison.result import Comparison, Setting
from hardsample.comparison.training import Trained
from hardsample.comparison.trials import Trial, check_name
from hardsample.errors import check_choice
from hardsample.extras import explained
from hardsample.numerals import count
from hardsample.runs import provenance
from hardsample.runs.devices import count_places, resolve_device
from hardsample.runs.progress import say

BUDGETS = ("updates", "wall-clock")
METHODS = ("shuffled", "uniform", "PLB", "PEB", "HMB")
REVISION = 1  # of the loop; another one where its numbers change
WORTH_WORKERS = 20.0  # seconds of work below which starting worker processes takes longer than it saves


@explained()
def compare(
    make_model: Callable[[], nn.Module] | str,
    train_set: Any,
    test_set: Any,
    loss: Callable[[Any, Any], Tensor] | None = None,
    *,
    methods: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 10,
    epochs: float = 10,
    batch_size: int = 32,
    optimizer: Callable[..., Any] | None = None,
    score: Callable[[Any, Any], Tensor] | None = None,
    metrics: Mapping[str, Callable[[Tensor, Tensor], float]] | None = None,
    lower_is_better: Sequence[str] = (),
    budget: str = "updates",
    evaluations: int = 10,
    collate: Callable[[list], Any] | None = None,
    device: str = "auto",
    workers: int = 0,
    name: str = "",
    quiet: bool = False,
) -> Comparison:
    """Does choosing examples help on this model, loss and data? Each method is trained with each seed, and compared.

    All methods of a seed begin with the same weights, so that they are compared in pairs. PLB and its kin score all
    examples once before they begin, as in paper A: a sampler's ``fill`` does the same in a loop.

    Trainings are stored as they end, and the same call goes on where another one stopped. What was passed decides
    whether a stored one serves: an edited model, loss or data set is trained anew. Where the source of a part cannot be
    read, as of a lambda or of what was typed at a prompt, all is done in this process and nothing is stored, which is
    said.

    Args:
        make_model: called without arguments, gives a new model; or the name of a registered network, for uint8 images.
        train_set, test_set: map-style data sets of (inputs, target), or tensors or arrays (x, y). Inputs may be a
            tuple or a mapping, which are the model's positional or keyword arguments.
        loss: of outputs and targets, a value for each example, float [n] (``reduction="none"``). None is
            cross-entropy, for targets that are classes.
        methods: names of methods, the baseline first: "shuffled" (MB), "uniform" (SMB), any of
            :data:`hardsample.methods.registry.METHODS`, any that is registered; with options as in "PLB(power=0.6)".
            None is "shuffled", "uniform", "PLB", "PEB" and "HMB"; without PEB where there are no classes.
        seeds: how many, from 1 on, or which.
        epochs: of as many updates as shuffled epochs have.
        batch_size: n, examples an update.
        optimizer: of a model's parameters; may give (optimizer, scheduler), whose step follows every update. None is
            Adam with a learning rate of 0.001.
        score: of outputs and targets, what methods that go by the loss are told instead, float [n], not negative.
        metrics: by name, of the outputs and targets of the whole test set, a number. The test loss is always one; None
            adds accuracy, for targets that are classes.
        lower_is_better: those of the metrics that are better the lower, beside the loss.
        budget: "updates", equal for all; or "wall-clock": each method of a seed trains as long as the baseline did.
        evaluations: how many times a training is evaluated after its start.
        collate: makes a batch of items; None is PyTorch's own way.
        device: "auto", "cpu" or "cuda".
        workers: processes; 0 chooses one per CPU core or GPU where the work is worth it, 1 is this process.
        name: of the comparison, in figures and in the store; "" is the model's.
        quiet: print nothing.

    Raises:
        InputError: something that was passed does not fit; nothing is half-written.
    """
    check_choice("budget", budget, BUDGETS)
    workers = whole("workers", workers, 0, "0 for one per CPU core or GPU, or a number above it")
    flag("quiet", quiet)
    device = resolve_device(device)
    problem = problem_of(
        make_model,
        train_set,
        test_set,
        loss=loss,
        optimizer=optimizer,
        score=score,
        metrics=metrics,
        lower_is_better=lower_is_better,
        epochs=epochs,
        batch_size=batch_size,
        evaluations=evaluations,
        collate=collate,
    )
    chosen = [name for name in METHODS if problem.by_logits or name != "PEB"] if methods is None else methods
    contestants, seeds = contestants_of(chosen, problem), seeds_of(seeds)
    if name == "":
        name = make_model if isinstance(make_model, str) else getattr(make_model, "__name__", type(make_model).__name__)
    name = file_name("name", check_name(text("name", name, "words, or nothing for the model's").strip("<>")))
    root, store = paths.runs_dir(), dict[tuple[int, int], Trial]()
    try:
        store |= {(place, seed): trial for place, seed, trial in _trials(name, problem, contestants, seeds, budget)}
        paths.check_writable(root)
    except identity.UnknownSourceError as error:
        store, workers = {}, 1
        say(f"{name}: nothing is stored, and this process alone works, since {error}.", quiet)
    found = {place: trained for place, trial in store.items() if (trained := trials.find(root, trial)) is not None}
    if budget == "wall-clock":  # a training is as long as its baseline, which has to be the one it was held to
        found = {place: trained for place, trained in found.items() if (0, place[1]) in found}
    todo = [(place, seed) for seed in seeds for place in range(len(contestants)) if (place, seed) not in found]
    total = count(len(found) + len(todo), "training")
    say(f"{name}: {total}, {len(found)} stored, {len(todo)} to do ({device})", quiet)
    other = trials.count_other_code(store[place].path(root) for place in found)
    if other:
        advice = "compare under another name to train them again"
        say(f"{name}: {count(other, 'stored training')} of other code than today's: {advice}.", quiet)
    rounds = [todo]
    if budget == "wall-clock":
        rounds = [[one for one in todo if not one[0]], [one for one in todo if one[0]]]

    sizes = len(problem.train), len(problem.test)
    setting = Setting(name, budget, *sizes, problem.batch_size, problem.updates, problem.epochs)
    lower = sorted({"loss", *problem.lower})
    about = {"setting": dataclasses.asdict(setting), "lower": lower}

    with _Workplace(problem, contestants, device, workers, len(todo), quiet) as workplace:
        for chosen in rounds:
            limited = budget == "wall-clock" and chosen is not rounds[0]
            jobs = [
                Job(
                    *one,
                    seconds=found[0, one[1]].seconds if limited else None,
                    saved=store[one].checkpoint(root) if store else None,
                )
                for one in chosen
            ]
            for job, trained in workplace.do(jobs):
                found[job.place, job.seed] = trained
                if store:
                    made = made_with(device, contestants[job.place].spec.name)
                    trials.write(root, store[job.place, job.seed], trained, about, made)
                if job.saved is not None:
                    job.saved.unlink(missing_ok=True)
    trained = {(one.name, seed): found[place, seed] for place, one in enumerate(contestants) for seed in seeds}
    return Comparison(setting, trained, frozenset(lower), other)


class _Workplace:
    """This process, and others beside it once they are worth it; a bar says what is done and what is left."""

    def __init__(
        self, problem: Problem, contestants: Sequence[Contestant], device: str, workers: int, total: int, quiet: bool
    ) -> None:
        self._given, self._device, self._workers = (problem, contestants), device, workers
        self._left, self._quiet = total, quiet or not total
        self._here, self._seconds = 0, math.inf  # trainings done in this process, and the least that one took
        self._stack = contextlib.ExitStack()
        self._others: Callable[[Sequence[Job]], Iterator[tuple[Job, Trained]]] | None = None

    def __enter__(self) -> "_Workplace":
        from tqdm import tqdm

        every = 0.5 if sys.stdout.isatty() else 10.0  # seconds
        bar = tqdm(total=self._left, unit="training", file=sys.stdout, mininterval=every, disable=self._quiet)
        self._bar = self._stack.enter_context(bar)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def do(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Trained]]:
        """Each job with what came of it, as it ends."""
        for job, trained in self._done(list(jobs)):
            self._left -= 1
            yield job, trained
            self._bar.update()

    def _done(self, jobs: list[Job]) -> Iterator[tuple[Job, Trained]]:
        while jobs and self._others is None:
            began, job = time.perf_counter(), jobs.pop(0)
            trained = do_here(*self._given, job, self._device)
            self._seconds = min(self._seconds, time.perf_counter() - began)  # the first compiles, too
            self._here += 1
            yield job, trained
            worth = self._here > 1 and self._seconds * self._left > WORTH_WORKERS
            workers = self._workers or (count_places(self._device) if worth else 1)
            if min(workers, len(jobs)) > 1:
                self._others = self._stack.enter_context(pool(*self._given, min(workers, len(jobs)), self._device))
        if jobs and self._others is not None:
            yield from self._others(jobs)


def made_with(device: str, method: str) -> dict[str, Any]:
    """Where and with what a training by a method was made."""
    threads = 1 if device == "cpu" else torch.get_num_threads()
    about = {"code": trials.code(method), "threads": threads}
    return {**provenance.surroundings(device), **about, **provenance.ending()}


def _trials(
    name: str, problem: Problem, contestants: Sequence[Contestant], seeds: Sequence[int], budget: str
) -> Iterator[tuple[int, int, Trial]]:
    """Every training that is asked for, under the method's place and the seed.

    Raises:
        UnknownSourceError: the source of something that was passed cannot be read.
    """
    alike = _alike(problem, budget)
    for place, one in enumerate(contestants):
        own = {
            "method": one.spec.name,
            "options": dict(sorted(one.options.items())),
            "method_source": identity.source_of(f"the method {one.name}", one.spec.build),
        }
        if budget == "wall-clock":
            own["baseline"] = contestants[0].name
        for seed in seeds:
            yield place, seed, Trial(name, one.name, seed, {**alike, **own, "seed": seed})


def _alike(problem: Problem, budget: str) -> Mapping[str, Any]:
    """What decides the numbers of all trainings of a comparison, as plain JSON."""
    passed = {
        "make_model": problem.make_model,
        "loss": problem.loss,
        "optimizer": problem.optimizer,
        "score": problem.score,
        "collate": problem.train.collate,
    }
    return {
        "revision": REVISION,
        "sources": {name: identity.source_of(name, value) for name, value in passed.items() if value is not None},
        "metrics": {name: identity.source_of(f"metric {name}", metric) for name, metric in problem.metrics.items()},
        "train": identity.fingerprint("train_set", problem.train),
        "test": identity.fingerprint("test_set", problem.test),
        "epochs": problem.epochs,
        "batch_size": problem.batch_size,
        "evaluations": problem.evaluations,
        "budget": budget,
    }
