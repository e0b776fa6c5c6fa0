"""What choosing mini-batches by their loss costs: an update of paper B's method for each δ against δ = 1."""

import functools

from benchmarks.measure import Row, Way, compare, in_turns
from hardsample.data.dataset import load
from hardsample.experiments import hard_samples, registry
from hardsample.training.process import configure_process
from hardsample.training.updates import stepper


def hard_mini_batches(delta: float) -> Way:
    """An update of the quick profile's ResNet-18, the sorting of its rounds included."""
    timed = registry.grid("hard-samples/table-1").timed
    [run] = (run for run in timed if run.options["delta"] == delta)
    configure_process()
    update = stepper(run, load(run.data, train_examples=run.train_examples, test_examples=run.test_examples))
    return lambda _: update()


def measure() -> list[Row]:
    """A sample is ten updates, N of them: as many as an epoch has, with 1 to 5 rounds begun among them."""
    makers = {f"δ = {delta:g}": functools.partial(hard_mini_batches, delta) for delta in hard_samples.DELTAS}
    seconds = in_turns(makers, rounds=10, inner=10)
    return [
        compare("training step of HMB, ResNet-18", seconds, "δ = 1", f"δ = {delta:g}", at_most=1.02)
        for delta in hard_samples.DELTAS[1:]
    ]
