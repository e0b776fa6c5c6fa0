"""What is compared: a model, data and a loss of one's own, checked once and made alike for all methods."""

import ast
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hardsample.arguments import mapping, real, told, whole
from hardsample.comparison.items import Items, as_items, call
from hardsample.comparison.losses import cross_entropy
from hardsample.errors import InputError, check_choice, check_value
from hardsample.methods.base import Method
from hardsample.methods.registry import ENTRIES, METHODS, Entry, MethodSpec
from hardsample.training import networks

ALIASES = {"shuffled": "MB", "uniform": "SMB"}
"""Plain words for two methods."""
MOST_SEEDS = 1_000_000
TRIED = 64  # examples, before anything slow begins
COLUMNS = ("progress", "update", "epoch", "seconds", "loss")  # of the budget, from 0 to 1; metrics come after them


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A method as it takes part: what it is called, what builds it, and its options."""

    name: str
    spec: MethodSpec
    options: Mapping[str, Any]

    def build(self, size: int, n: int, seeds: Tensor) -> Method:
        """The method, for so many examples and mini-batches of n."""
        return self.spec.made(size, n, seeds, 0, self.options)


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """All that decides a training but the method and the seed.

    ``loss`` is called with outputs and targets, and gives a value for each example; None: cross-entropy, where targets
    are classes. ``score`` is called alike, and gives what methods that go by the loss are told instead. ``metrics`` are
    called with the outputs and targets of the whole test set, on the CPU; ``lower`` are those of them that are better
    the lower.
    """

    make_model: Callable[[], nn.Module]
    train: Items
    test: Items
    loss: Callable[[Any, Any], Tensor] | None
    optimizer: Callable[..., Any]
    score: Callable[[Any, Any], Tensor] | None
    metrics: Mapping[str, Callable[[Tensor, Tensor], float]]
    lower: frozenset[str]
    epochs: float
    batch_size: int
    evaluations: int
    by_logits: bool = False  # do its outputs hold logits of classes?

    @property
    def updates(self) -> int:
        """Of a training at equal updates."""
        return max(1, round(self.epochs * len(self.train) / self.batch_size))

    def losses(self, outputs: Tensor, targets: Any) -> Tensor:
        """The loss of each example, float [n].

        Raises:
            InputError: the loss does not fit outputs and targets, or gives another number of values.
        """
        return _each("loss", self.loss or cross_entropy, outputs, targets)

    def scores(self, outputs: Tensor, targets: Any, losses: Tensor) -> Tensor:
        """What a method that goes by the loss is told of each example, float [n].

        Raises:
            InputError: the score gives another number of values.
        """
        return losses if self.score is None else _each("score", self.score, outputs, targets)


def problem_of(
    make_model: Any,
    train_set: Any,
    test_set: Any,
    *,
    loss: Any,
    optimizer: Any,
    score: Any,
    metrics: Mapping[str, Any] | None,
    lower_is_better: Iterable[str],
    epochs: float,
    batch_size: int,
    evaluations: int,
    collate: Any,
) -> Problem:
    """What was passed to :func:`hardsample.compare`, checked.

    Raises:
        InputError: something is out of its range or not what it should be.
    """
    train, test = as_items("train_set", train_set, collate), as_items("test_set", test_set, collate)
    if isinstance(make_model, str):
        make_model = _network(make_model, train)
    functions = {"make_model": make_model, "loss": loss, "optimizer": optimizer, "score": score, "collate": collate}
    mapping("metrics", {} if metrics is None else metrics, "a mapping, of names to functions")
    if isinstance(lower_is_better, str) or not isinstance(lower_is_better, Iterable):
        raise InputError(f"lower_is_better is {told(lower_is_better)}: give a sequence of names of metrics.")
    named = functions | {f"the metric {name!r}": metric for name, metric in (metrics or {}).items()}
    for name, function in named.items():
        if not callable(function) and (function is not None or name == "make_model"):
            raise InputError(f"{name} is a {type(function).__name__}: give a function.")
    if isinstance(make_model, nn.Module):
        raise InputError(
            "make_model is a model: give a function that makes a new one, since each training needs its own."
        )
    batch_size = whole("batch_size", batch_size, 1, "a whole number, at least 1")
    evaluations = whole("evaluations", evaluations, 1, "a whole number, at least 1")
    check_value("epochs", told(epochs), 0 < real("epochs", epochs) < math.inf, "a number above 0")
    check_value("batch_size", batch_size, batch_size <= len(train), f"at most the {len(train)} training examples")
    for name in metrics or {}:
        good = isinstance(name, str) and name not in {"method", "seed", *COLUMNS}
        check_value("the name of a metric", repr(name), good, "another")
    for name in lower_is_better:
        check_choice("metric", name, [*(metrics or {}), "loss"])
    lower = frozenset(lower_is_better) - {"loss"}
    problem = Problem(
        *(make_model, train, test, loss, optimizer or adam, score, metrics or {}, lower),
        epochs=float(epochs),
        batch_size=batch_size,
        evaluations=evaluations,
    )
    outputs, targets = _tried(problem)
    problem = dataclasses.replace(problem, by_logits=bool(logits(outputs, targets).shape[1]))
    classes = outputs.dim() == 2 and outputs.shape[1] > 1 and are_classes(targets)
    return dataclasses.replace(problem, metrics={"accuracy": accuracy}) if classes and metrics is None else problem


def _network(name: str, train: Items) -> Callable[[], nn.Module]:
    """What makes a registered network for the classes of the data."""
    spec = networks.find(name)
    _, targets = train.batch(range(len(train)), torch.device("cpu"))
    if not are_classes(targets) or int(targets.min()) < 0:
        raise InputError(f"{name} is a network for classes, and the targets are none: give int64 [N], from 0 up.")
    return functools.partial(spec.build, int(targets.max()) + 1, None)


def _tried(problem: Problem) -> tuple[Tensor, Any]:
    """Pass a few examples through a new model, its loss and its score; the outputs and targets of some that train.

    Raises:
        InputError: they do not fit each other.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = built(problem).eval()
        for items in (problem.test, problem.train):
            inputs, targets = items.batch(range(min(TRIED, len(items))), torch.device("cpu"))
            if problem.loss is None and are_classes(targets) and bool((targets < 0).any()):
                raise InputError(f"a target is {targets.min().item()}: number the classes from 0.")
            if problem.loss is None and not are_classes(targets):
                raise InputError(
                    "loss is None, and the targets are no classes (int64 [n]): give a loss, with a value for each"
                    " example."
                )
            outputs = call(model, inputs)
            scores = problem.scores(outputs, targets, problem.losses(outputs, targets))
            if not bool((scores >= 0).all()):
                what = "score" if problem.score else "loss"
                raise InputError(f"the {what} gives {scores.min().item():g}: give a score that is not negative.")
    return outputs, targets


def built(problem: Problem) -> nn.Module:
    """A new model, in training mode.

    Raises:
        InputError: ``make_model`` gives something else.
    """
    model = problem.make_model()
    if not isinstance(model, nn.Module):
        raise InputError(f"make_model gives a {type(model).__name__}: have it return a new torch.nn.Module.")
    return model.train()


def seeds_of(seeds: int | Sequence[int]) -> list[int]:
    """Which seeds: from 1 on where their number is given.

    Raises:
        InputError: there is none, or one comes twice.
    """
    found = seeds
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        check_value("seeds", seeds, 1 <= seeds <= MOST_SEEDS, f"how many, 1 to {MOST_SEEDS:,}, or which")
        found = list(range(1, seeds + 1))
    good = isinstance(found, list | tuple | range) and all(
        isinstance(seed, int) and 0 <= seed < 2**63 for seed in found
    )
    if not good or not found or len(set(found)) < len(found):
        raise InputError(f"seeds is {told(seeds)}: give how many, or different whole numbers from 0 up.")
    return list(found)


def adam(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Adam with a learning rate of 0.001, its authors' default (Kingma and Ba 2015)."""
    return torch.optim.Adam(parameters, lr=1e-3)


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The share of examples whose highest logit is their class's."""
    return (outputs.argmax(1) == targets).double().mean().item()


def are_classes(targets: Any) -> bool:
    """Are they whole numbers, one an example?"""
    if not isinstance(targets, Tensor) or targets.dim() != 1:
        return False
    return not (targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool)


def logits(outputs: Tensor, targets: Any) -> Tensor:
    """The logits of classes, float [n, K]; those of two classes where one output a binary target is; else [n, 0]."""
    n = len(outputs)
    if outputs.dim() == 2 and outputs.shape[1] > 1 and are_classes(targets):
        return outputs
    binary = outputs.numel() == n and isinstance(targets, Tensor) and targets.numel() == n
    if binary and bool(((targets == 0) | (targets == 1)).all()):
        positive = outputs.reshape(n, 1)
        return torch.cat((torch.zeros_like(positive), positive), 1)
    return outputs.new_empty(n, 0)


def contestants_of(names: Iterable[str], problem: Problem) -> list[Contestant]:
    """The methods by the names of their curves, such as "shuffled", "PLB" or "PLB(power=0.6)".

    Raises:
        InputError: one is unknown, its options are not its own or out of their range, it comes twice, or it does not
            fit the problem.
    """
    if not isinstance(names, Iterable):
        raise InputError(f"methods are {told(names)}: give a list of names, such as ['shuffled', 'PLB'].")
    found = [_contestant(name, problem.epochs) for name in ([names] if isinstance(names, str) else names)]
    called = [one.name for one in found]
    if len(called) < 2 or len(set(called)) < len(called):
        raise InputError(
            f"methods are {', '.join(called) or 'none'}: give two or more, each once; the first is the baseline."
        )
    for one in found:
        method = one.build(len(problem.train), problem.batch_size, torch.tensor([1]))
        if method.reads_logits and not problem.by_logits:
            raise InputError(
                f"{one.name} goes by the logits of classes, and there are none here: choose a method that goes by the"
                " loss, such as PLB or HMB."
            )
    return found


def _contestant(name: str, epochs: float) -> Contestant:
    plain, options = _parsed(name)
    plain = ALIASES.get(plain, plain)
    entry = ENTRIES.get(plain)
    check_choice("method", plain, dict.fromkeys((*ALIASES, *METHODS, *ENTRIES)))
    entry = entry or Entry(method=plain)
    if entry.loss != "cross-entropy" or entry.times != 1:
        raise InputError(f"{name} differs from {entry.method} in more than its choice of examples: leave it out.")
    spec = METHODS[entry.method]
    for option in options:
        check_choice(f"option of {plain}", option, spec.option_names or ["none: it has no options"])
    scheduled = {"epochs": epochs} if "epochs" in spec.option_names else {}
    return Contestant(name, spec, {**entry.options, **scheduled, **options})


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    """ "PLB(power=0.6)" as its name and its options."""
    if not isinstance(name, str):
        raise InputError(f"a method is {name!r}: give its name, such as 'PLB' or 'PLB(power=0.6)'.")
    if name in METHODS or name in ENTRIES or not name.endswith(")"):
        return name, {}
    plain, _, inside = name[:-1].partition("(")
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(word.arg is None for word in call.keywords):
            raise ValueError
        return plain.strip(), {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        raise InputError(f"the options of {name!r} cannot be read: write them as in 'PLB(power=0.6)'.") from None


def _each(name: str, function: Callable[[Any, Any], Tensor], outputs: Tensor, targets: Any) -> Tensor:
    try:
        values = function(outputs, targets)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shapes = f"outputs {_shape(outputs)} and targets {_shape(targets)}"
        raise InputError(
            f"the {name} fails for {shapes} ({str(error).splitlines()[0]}): give one that fits."
        ) from error
    n = len(outputs)
    if not isinstance(values, Tensor) or not values.dim() or len(values) != n:
        raise InputError(
            f'the {name} gives {_shape(values)} for {n} examples: have it give a value for each, with reduction="none".'
        )
    if values.dim() > 1 and values.shape != outputs.shape:  # as where [n, 1] and [n] make [n, n]
        raise InputError(
            f"the {name} gives {_shape(values)} for outputs {_shape(outputs)} and targets {_shape(targets)}: give both"
            " one shape."
        )
    return values.flatten(1).mean(1) if values.dim() > 1 else values


def _shape(value: Any) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
