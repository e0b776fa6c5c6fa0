"""Which code decides the numbers of a run: that of its data, method, network and training."""

from collections.abc import Iterator, Mapping
from typing import Any

from hardsample import code_fingerprint
from hardsample.code_fingerprint import Place, place_of
from hardsample.config import Run
from hardsample.data.catalogue import DATASETS
from hardsample.methods.registry import METHODS
from hardsample.training import optimizers
from hardsample.training.networks import NETWORKS

_TRAINING = "hardsample.training"
_FAST = tuple(f"{_TRAINING}.{name}" for name in ("fused", "agreement", "ways", "cuda_graph"))
_DETAILS = (f"{_TRAINING}.details", f"{_TRAINING}.drawn")


def fingerprint(run: Run, computed: Mapping[str, Any]) -> str:
    """That of today's code, 16 hexadecimal digits, of a run whose steps were made as ``computed`` says.

    ``computed`` is that of :class:`hardsample.training.results.TrainingResult`, or a record's provenance, which has
    the same: what makes steps fast does not count where they were not made so. "" for a run of what is not registered
    here.
    """
    if run.method not in METHODS or run.network not in NETWORKS:
        return ""
    fast = computed.get("way", "plain") != "plain" or computed.get("captured", False)
    others = {"sgd": optimizers.Adadelta, "adadelta": optimizers.SGD}
    left_out = [*(() if fast else _FAST), *(() if run.detail == "examples" else _DETAILS)]
    left_out += [place_of(others[run.optimizer])] if run.optimizer in others else []
    return code_fingerprint.fingerprint(dict.fromkeys(_roots(run)), left_out)


def _roots(run: Run) -> Iterator[Place]:
    yield f"{_TRAINING}.trainer", "train"
    yield f"{_TRAINING}.step", "TrainingStep"
    methods = [run.method] + (["MB"] if run.pretrain_epochs else [])
    for name in methods:
        yield place_of(METHODS[name].build)
    yield place_of(NETWORKS[run.network].build)[0], ""  # all that makes the network, its entry in the registry too
    yield "hardsample.data.dataset", "Dataset"
    yield "hardsample.data.dataset", "_subset"
    if run.class_imbalance != 1:
        yield "hardsample.data.class_imbalance", "keep"
    data = DATASETS.get(run.data)
    for made in filter(None, (data.generate, data.load) if data else ()):
        yield place_of(made)
