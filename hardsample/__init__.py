"""Training neural networks with the hard examples first: methods, experiments and figures that anyone can repeat.

Each public name is imported when it is first used, so that ``import hardsample`` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# By name, the module to import: for what one registers, the one that registers the package's own first.
_PUBLIC = {
    "BaseValues": "methods.base_values",  # one value per example, drawn in proportion and updated in O(log N)
    "BaseValuesSampler": "samplers.base_values",  # mini-batches in proportion to any score, for any training loop
    "Dataset": "data.dataset",  # images and labels as uint8 and int64 tensors
    "DatasetSpec": "data.catalogue",  # a data set of one's own, to be registered
    "Draw": "methods.base",  # what a method gives for one step
    "Entry": "methods.registry",  # how a method of one's own enters the contest of all methods
    "Experiment": "experiments.panels",  # the runs of one figure or table, in panels
    "ExperimentSpec": "experiments.registry",  # a figure or table of one's own, to be registered
    "FullMiniBatches": "methods.base",  # what a method of full mini-batches begins with
    "HardMiniBatchSampler": "samplers.hard_mini_batches",  # rounds over the hardest mini-batches, for any training loop
    "InputError": "errors",  # bad input, told in one sentence
    "Method": "methods.base",  # the interface of all methods
    "MethodSampler": "samplers.method",  # any method of the registry, for any training loop
    "MethodSpec": "methods.registry",  # a method of one's own, to be registered
    "NetworkSpec": "training.networks",  # a network of one's own, to be registered
    "Profile": "experiments.profiles",  # a size of an experiment's runs, to be registered
    "Run": "config",  # all that decides a run's numbers
    "SamplerWarning": "samplers.watch",  # one example takes a sampler's draws
    "Store": "runs.store",  # finished runs, one file each
    "TrainingResult": "training.results",  # what one run measured
    "WithIndex": "samplers.with_index",  # a data set whose items carry their index
    "compare": "comparison.launch",  # does it help on a model, loss and data of one's own?
    "grid": "experiments.registry",  # the experiment of a figure's name and a profile
    "load": "data.dataset",  # a data set by name or .npz file
    "paired": "statistics",  # two methods seed by seed: difference, interval, exact p, seeds won
    "pretrain": "training.trainer",  # the start that every method of a seed shares
    "register": "plugins",  # a method, network, data set, profile or experiment of one's own
    "train": "training.trainer",  # runs that differ in their seed alone, trained side by side
}

_RENAMED = {"Outcome": "TrainingResult"}  # old names, for code that has them

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        return __getattr__(_RENAMED[name])
    if name not in _PUBLIC:
        raise AttributeError(f"module 'hardsample' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"hardsample.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
