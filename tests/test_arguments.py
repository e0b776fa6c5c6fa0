"""Whatever a public function is given in place of what it wants: one sentence, that names the argument."""

import contextlib
import math
import re

import pytest
import torch

import hardsample
from hardsample import InputError, statistics
from hardsample.data import class_imbalance
from hardsample.methods import registry

N, n = 24, 4
SEEDS = torch.tensor([1])

# What each kind of argument may not be. A kind may be followed by what else it may be, such as None.
NOTHING, OBJECT, LIST, TEXT = None, object(), [1, "x"], "x"
BAD = {
    "count": [NOTHING, OBJECT, LIST, TEXT, 0, -1, 1.5, math.nan, math.inf, 2**64, True],
    "number from 0": [NOTHING, OBJECT, LIST, TEXT, -1, 1.5, math.nan, math.inf, 2**64, True],
    "seed": [NOTHING, OBJECT, LIST, TEXT, 1.5, math.nan, math.inf, 2**64, True],
    "above 0": [NOTHING, OBJECT, LIST, TEXT, 0.0, -1.0, math.nan, math.inf],
    "from 0": [NOTHING, OBJECT, LIST, TEXT, -1.0, math.nan, math.inf],
    "share": [NOTHING, OBJECT, LIST, TEXT, -1.0, 7.0, math.nan, math.inf, 2**64],
    "flag": [NOTHING, OBJECT, LIST, TEXT, 2, 0.5, math.nan],
    "word": [NOTHING, OBJECT, LIST, 7, math.nan, "no-such-word", ""],
    "text": [NOTHING, OBJECT, LIST, 7, math.nan],
    "file name": [NOTHING, OBJECT, LIST, 7, math.nan, "", "../../secret", "..", "x" * 300, "a\nb"],
    "numbers": [NOTHING, OBJECT, LIST, TEXT, 7, [[1.0, 2.0]], [None, 1.0], ["1", "2"], [1j], {"a": 1}],
    "finite numbers": [NOTHING, OBJECT, LIST, TEXT, 7, [[1.0]], [math.nan, 1.0], [math.inf, 1.0]],
    "device": [OBJECT, LIST, 1.5, "no-such-device", ""],
    "callable": [OBJECT, LIST, TEXT, 7, math.nan],
    "mapping": [OBJECT, LIST, TEXT, 7, math.nan, {1: 2}],
    "tensor": [NOTHING, OBJECT, LIST, TEXT, 7, math.nan, torch.ones(2, 2, 2, 2, 2), torch.tensor(["x" == "y"])],
    "nothing to choose from": [NOTHING, OBJECT, 7, math.nan],
    "number": [NOTHING, OBJECT, LIST, TEXT],
    "words": [NOTHING, OBJECT, LIST, 7, math.nan, "../../secret", "..", "x" * 300, "a\nb"],
    "thing": [NOTHING, OBJECT, LIST, TEXT, 7, math.nan],
}


def allowed(kind):
    """A kind of argument that may be None, too."""
    return f"{kind} or None"


def bad_values(kind):
    if kind.endswith(" or None"):
        return [value for value in BAD[kind.removesuffix(" or None")] if value is not None]
    return BAD[kind]


SAMPLER = {
    "size": "count",
    "batch_size": "count",
    "seed": "seed",
    "lag": "count",
    "rank": allowed("number from 0"),
    "world_size": allowed("count"),
    "device": "device",
}
GOOD_SAMPLER = {"size": N, "batch_size": n, "seed": 1, "lag": 1, "rank": 0, "world_size": 1, "device": "cpu"}


def images(count=8):
    return torch.arange(count * 144).remainder(256).to(torch.uint8).view(count, 1, 12, 12), torch.arange(count) % 2


def dataset(**changes):
    x, y = images()
    parts = {"name": "own", "x_train": x, "y_train": y, "x_test": x, "y_test": y, "classes": ("a", "b")}
    return hardsample.Dataset(**parts | {"stand_in": False} | changes)


def model():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))


POINTS = torch.rand(N, 4, generator=torch.Generator().manual_seed(1)), torch.arange(N) % 2
COMPARED = {
    "make_model": model,
    "train_set": POINTS,
    "test_set": POINTS,
    "methods": ["shuffled", "PLB"],
    "seeds": 1,
    "epochs": 0.1,
    "batch_size": n,
    "workers": 1,
    "quiet": True,
}
RUN = {"data": "glyphs", "method": "MB", "seed": 1}
TRAINED = hardsample.Run("own", "MB", 1, epochs=1.0, batch_size=n, network="narrow-resnet")


def of(maker, method):
    """A method of an object that is made anew for every call."""
    return lambda **arguments: getattr(maker(), method)(**arguments)


def drawn():
    sampler = hardsample.BaseValuesSampler(N, n)
    sampler.draw()
    return sampler


CALLS = {  # by name: what is called, arguments that are good, and the kinds of those that are spoilt one by one
    "BaseValues": (
        hardsample.BaseValues,
        {"size": N, "seeds": SEEDS},
        {"size": "count", "seeds": "tensor", "floor": "above 0"},
    ),
    "BaseValues.fill": (of(lambda: hardsample.BaseValues(N, SEEDS), "fill"), {}, {"values": "tensor"}),
    "BaseValues.update": (
        of(lambda: hardsample.BaseValues(N, SEEDS), "update"),
        {"indices": torch.tensor([[1]]), "values": torch.ones(1, 1)},
        {"indices": "tensor", "values": "tensor"},
    ),
    "BaseValues.draw": (
        of(lambda: hardsample.BaseValues(N, SEEDS), "draw"),
        {"step": 0, "n": n},
        {"step": "number from 0", "n": "count"},
    ),
    "BaseValues.draw_by": (of(lambda: hardsample.BaseValues(N, SEEDS), "draw_by"), {}, {"numbers": "tensor"}),
    "BaseValuesSampler": (
        hardsample.BaseValuesSampler,
        GOOD_SAMPLER,
        SAMPLER
        | {"batches": allowed("count"), "floor": "above 0", "uniform": "share", "beta": "from 0", "power": "above 0"}
        | {"clip": allowed("above 0"), "distinct": "flag", "refresh_every": "number from 0", "warn_share": "share"},
    ),
    "HardMiniBatchSampler": (
        hardsample.HardMiniBatchSampler,
        GOOD_SAMPLER,
        SAMPLER | {"delta": "share", "shuffle": "flag", "drop_last": "flag", "walk": "word", "round_length": "word"},
    ),
    "MethodSampler": (
        hardsample.MethodSampler,
        GOOD_SAMPLER | {"method": "OHEM", "evaluate": lambda indices: indices.sin().abs()},
        SAMPLER | {"method": "word", "evaluate": "callable", "epochs": allowed("above 0")},
    ),
    "sampler.update": (
        of(drawn, "update"),
        {"indices": [], "scores": []},
        {"indices": "tensor", "scores": "tensor"},
    ),
    "sampler.weights": (of(drawn, "weights"), {}, {"indices": "tensor"}),
    "sampler.fill": (of(drawn, "fill"), {}, {"scores": "tensor"}),
    "sampler.grow": (of(lambda: hardsample.BaseValuesSampler(N, n), "grow"), {}, {"size": "count"}),
    "sampler.load_state_dict": (of(drawn, "load_state_dict"), {}, {"state": "thing"}),
    "sampler.report": (of(drawn, "report"), {}, {"labels": allowed("tensor"), "top": "count"}),
    "WithIndex": (hardsample.WithIndex, {}, {"dataset": "nothing to choose from"}),
    "registry.build": (
        registry.build,
        {"name": "PLB", "size": N, "n": n, "seeds": SEEDS},
        {"name": "word", "size": "count", "n": "count", "seeds": "tensor", "first_step": "number from 0"}
        | {"options": allowed("mapping")},
    ),
    "FullMiniBatches": (
        lambda **sizes: type("Own", (hardsample.FullMiniBatches,), {"draw": None})(**sizes),
        {"size": N, "n": n},
        {"size": "count", "n": "count"},
    ),
    "Dataset": (
        dataset,
        {},
        {"name": "text", "x_train": "tensor", "y_train": "tensor", "x_test": "tensor", "y_test": "tensor"}
        | {"classes": "thing", "stand_in": "flag", "class_imbalance": "above 0"},
    ),
    "DatasetSpec": (
        lambda **fields: hardsample.register(hardsample.DatasetSpec(**fields)),
        {"name": "emnist-letters", "what": "words"},
        {"name": "file name", "what": "text", "generate": "callable", "load": "callable", "classes": "thing"}
        | {"class_count": allowed("count"), "download": "callable"},
    ),
    "MethodSpec": (
        lambda **fields: hardsample.register(hardsample.MethodSpec(**fields)),
        {"name": "MB", "build": registry.METHODS["PLB"].build},
        {"name": "file name", "build": "callable", "looks": "mapping", "entries": "thing", "title": "callable"},
    ),
    "NetworkSpec": (
        lambda **fields: hardsample.register(hardsample.NetworkSpec(**fields)),
        {"name": "resnet18", "title": "words", "build": model},
        {"name": "file name", "title": "text", "build": "callable", "max_cohort_size": "count"}
        | {"images_on_gpu": "count", "image_shape": "callable", "specialize": "callable"},
    ),
    "register": (hardsample.register, {}, {"spec": "thing"}),
    "load": (
        hardsample.load,
        {"source": "glyphs", "train_examples": 10, "test_examples": 10},
        {"source": "word", "train_examples": allowed("count"), "test_examples": allowed("count")}
        | {"class_imbalance": "above 0"},
    ),
    "train": (
        hardsample.train,
        {"runs": [TRAINED], "data": dataset()},
        {"runs": "thing", "data": "thing", "device": "device", "starts": "callable"},
    ),
    "pretrain": (
        hardsample.pretrain,
        {"runs": [TRAINED], "data": dataset()},
        {"runs": "thing", "data": "thing", "device": "device"},
    ),
    "compare": (
        hardsample.compare,
        COMPARED,
        {"make_model": "thing", "train_set": "thing", "test_set": "thing", "loss": "callable", "methods": "callable"}
        | {"seeds": "count", "epochs": "above 0", "batch_size": "count", "optimizer": "callable", "score": "callable"}
        | {"metrics": "mapping", "lower_is_better": "thing", "budget": "word", "evaluations": "count"}
        | {
            "collate": "callable",
            "device": "device",
            "workers": "number from 0",
            "name": "words",
            "quiet": "flag",
        },
    ),
    "grid": (
        hardsample.grid,
        {"name": "base-values/figure-1", "profile": "smoke"},
        {"name": "word", "profile": "word", "data": "text", "precision": "word", "methods": allowed("text")}
        | dict.fromkeys(("seeds", "examples", "batch_size"), allowed("number from 0"))
        | dict.fromkeys(("learning_rate", "epochs"), allowed("from 0")),
    ),
    "paired": (
        hardsample.paired,
        {"treatment": [1.0, 2.0], "baseline": [0.5, 1.0]},
        {"treatment": "numbers", "baseline": "numbers", "higher_is_better": "flag"},
    ),
    "summary": (statistics.summary, {}, {"values": "numbers"}),
    "t_interval": (statistics.t_interval, {}, {"values": "finite numbers"}),
    "t_half_width": (statistics.t_half_width, {"sd": 1.0, "n": 3}, {"sd": "number", "n": "number"}),
    "sign_flip_p": (statistics.sign_flip_p, {}, {"differences": "finite numbers"}),
    "t_test_p": (statistics.t_test_p, {}, {"values": "finite numbers"}),
    "holm": (statistics.holm, {}, {"p_values": "numbers"}),
    "adjusted": (statistics.adjusted, {"p_values": [0.1], "pairs": [6]}, {"p_values": "numbers", "pairs": "numbers"}),
    "min_attainable_p": (statistics.min_attainable_p, {}, {"pairs": "from 0"}),
    "seeds_needed": (statistics.seeds_needed, {}, {"tests": "number from 0"}),
    "smallest_significant_difference": (
        statistics.smallest_significant_difference,
        {"interval": statistics.Interval(0.0, 1.0), "n": 6, "tests": 1},
        {"interval": "thing", "n": "number from 0", "tests": "number from 0"},
    ),
    "family": (
        statistics.family,
        {"p_values": [0.1], "low": [0.0], "high": [1.0], "pairs": [6]},
        dict.fromkeys(("p_values", "low", "high", "pairs"), "numbers"),
    ),
    "equivalence": (
        statistics.equivalence,
        {"differences": [0.1, 0.2], "margin": 0.5},
        {"differences": "finite numbers", "margin": "above 0"},
    ),
    "binomial_half_width": (statistics.binomial_half_width, {"shares": [0.5], "trials": 9}, {"trials": "count"}),
    "updates_to_reach": (
        statistics.updates_to_reach,
        {"steps": [1, 2], "values": [0.1, 0.2], "target": 0.15},
        {"steps": "numbers", "values": "numbers", "higher_is_better": "flag"},
    ),
    "convergence": (
        statistics.convergence,
        {"epochs": [1, 2], "losses": [2.0, 1.0]},
        {"epochs": "numbers", "losses": "numbers", "tolerance": "from 0"},
    ),
    "after_the_last": (statistics.after_the_last, {}, {"epochs": "numbers"}),
    "check_factor": (class_imbalance.check_factor, {}, {"factor": "above 0"}),
    "Run": (
        hardsample.Run,
        RUN,
        {"data": "file name", "method": "file name", "network": "file name", "seed": "seed", "options": "mapping"}
        | {"learning_rate": "above 0", "rho": "share", "momentum": "share", "learning_rate_decay": "share"}
        | {"batch_size": "count", "epochs": "above 0", "pretrain_epochs": "from 0", "pretrain_start": "word"}
        | {"pretrain_optimizer_state": "word", "evaluations_per_epoch": "above 0", "evaluation_statistics": "word"}
        | {"evaluation_average": "word", "precision": "word", "loss": "word", "focal_gamma": "from 0"}
        | {"label_noise": "share", "class_imbalance": "above 0", "learning_rate_schedule": "word"}
        | {"initialization": "word", "input_scaling": "word", "detail": "word", "optimizer": "text"}
        | dict.fromkeys(("train_examples", "test_examples", "evaluate_train_examples", "image_size"), allowed("count")),
    ),
}
NAMED_OTHERWISE = {  # what a sentence may call an argument
    "seeds": "seed",
    "batch_size": "mini-batch",
    "source": "data|source",
    "train_set": "train_set|items|training examples",
    "test_set": "test_set|items",
    "methods": "method",
    "name": "name|unknown method|figure",
    "factor": "class_imbalance",
    "make_model": "make_model|network",
    "spec": "registered",
    "dataset": "stream",
    "p_values": "p_values",
    "treatment": "treatment",
    "options": "option",
    "lower_is_better": "lower_is_better|metric",
    "runs": "runs|run ",
}
WITHOUT = {  # public names that take no arguments of a reader's, or whose arguments are checked where they are used
    "Draw": "what a method gives, to be read",
    "Entry": "checked with its MethodSpec",
    "Experiment": "what grid gives",
    "ExperimentSpec": "tests/test_extensions.py",
    "InputError": "an error",
    "Method": "abstract",
    "Profile": "tests/test_extensions.py",
    "SamplerWarning": "a warning",
    "Store": "tests/test_runs.py",
    "TrainingResult": "what train gives, to be read",
}


def test_every_public_name_is_walked():
    assert {*hardsample.__all__} == {name for name in CALLS if name in hardsample.__all__} | {*WITHOUT}


WALK = [
    pytest.param(call, good, argument, value, id=f"{name}-{argument}-{place}")
    for name, (call, good, kinds) in CALLS.items()
    for argument, kind in kinds.items()
    for place, value in enumerate(bad_values(kind))
]


def refused(call, arguments, argument):
    """The sentence."""
    with pytest.raises(InputError) as caught:
        call(**arguments)
    words = str(caught.value)
    assert words.endswith(".") and "\n" not in words and words[0] != " ", words
    named = f"{argument}|{argument.replace('_', ' ')}|{NAMED_OTHERWISE.get(argument, argument)}"
    assert re.search(named, words), words
    return words


@pytest.mark.parametrize(("call", "good", "argument", "value"), WALK)
def test_what_an_argument_cannot_be_is_told_in_one_sentence(call, good, argument, value):
    refused(call, {**good, argument: value}, argument)


KINDS = {bool: "flag", str: "word", int: "number from 0", float: "number"}
OPTIONS = [
    pytest.param(method, option, value, id=f"{method}-{option}-{place}")
    for method, spec in registry.METHODS.items()
    for option, default in spec.defaults.items()
    for place, value in enumerate(bad_values(KINDS.get(type(default), allowed("number"))))
]


@pytest.mark.parametrize(("method", "option", "value"), OPTIONS)
def test_what_an_option_of_a_method_cannot_be_is_told_in_one_sentence(method, option, value):
    """As of a run, a sampler or `build`; numbers that are out of range are each method's own to refuse."""
    needed = {"epochs": 5.0} if "epochs" in registry.option_names(method) else {}
    refused(lambda **spoilt: registry.build(method, N, n, SEEDS, options=spoilt), needed | {option: value}, option)
    with contextlib.suppress(InputError):
        hardsample.MethodSampler(method, N, n, **(needed | {option: value}))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 2.0**70, -1.0])
@pytest.mark.parametrize(
    ("method", "option"),
    [(name, option) for name, spec in registry.METHODS.items() for option, value in spec.defaults.items()
     if type(value) is float],
)  # fmt: skip
def test_a_number_that_an_option_cannot_be_is_refused_or_works(method, option, bad):
    needed = {"epochs": 5.0} if "epochs" in registry.option_names(method) else {}
    try:
        built = registry.build(method, N, n, SEEDS, options=needed | {option: bad})
    except InputError as error:
        assert str(error).endswith(".")
    else:
        assert math.isfinite(bad) and built is not None
