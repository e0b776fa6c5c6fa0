"""Where an iteration's time goes: a loop as paper B describes its own, and the measurement of its parts."""

import json

import pytest

from hardsample import paths
from hardsample.data import dataset
from hardsample.experiments import registry
from hardsample.runs import loop_timing
from hardsample.runs.store import Store
from hardsample.training import described_loop

EXPERIMENT = registry.grid("table-1", profile="smoke")


class Ticks:
    """A clock that is a second later each time it is asked."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.fixture
def loop():
    run = next(run for run in EXPERIMENT.timed if run.options["delta"] == 0.5)
    data = dataset.load(run.data, train_examples=8 * run.batch_size, test_examples=2 * run.batch_size)
    return described_loop.DescribedLoop(run, data, "cpu", Ticks())


def test_a_round_walks_the_loader_and_trains_the_hardest_alone(loop):
    """Of 8 mini-batches 4: each is loaded for a second, trained for one and read for one; so is skipping."""
    first = loop.first_round()
    assert first == {"loading": 1, "skipped": 0, "update": 1, "reading": 1, "sorting": 1 / 8}
    before = list(loop._losses)
    spent = loop.next_round()
    assert spent == {"loading": 1, "skipped": 1, "update": 1, "reading": 1, "sorting": 1 / 4}
    hardest = sorted(range(8), key=lambda place: -before[place])[:4]
    changed = [place for place in range(8) if loop._losses[place] != before[place]]
    assert changed == sorted(hardest)


def test_a_test_pass_changes_nothing(loop):
    loop.first_round()
    before = {name: tensor.clone() for name, tensor in loop._network.state_dict().items()}
    assert loop.test() == 1 / 2, "two mini-batches"
    assert all(tensor.equal(before[name]) for name, tensor in loop._network.state_dict().items())


def test_images_are_scaled_one_by_one_as_the_network_does_it(loop):
    image, label = loop._train.dataset[3]
    whole = loop._train.dataset.scale(loop._train.dataset.images[:5])
    assert image.allclose(whole[3]) and label == loop._train.dataset.labels[3]


@pytest.mark.slow
def test_both_loops_are_timed_in_every_turn_and_kept_beside_table_1():
    found = loop_timing.measure(EXPERIMENT, device="cpu", turns=2)
    rows = found.frame
    assert list(rows) == [*loop_timing.COLUMNS] and (rows.seconds >= 0).all()
    assert rows.groupby("round").size().tolist() == [4 * (1 + 5) + 2] * 2
    assert rows[rows.part == "test"].delta.isna().all() and set(rows.delta.dropna()) == {1.0, 0.8, 0.5, 0.2}
    assert loop_timing.measure(EXPERIMENT, device="cpu", turns=2, compute=False).frame.equals(rows)
    assert loop_timing.measure(EXPERIMENT, device="cpu", turns=3, compute=False).frame.empty
    (path,) = (paths.runs_dir() / "hard-samples" / "easy-digits").glob("*.timing")
    assert Store().verify() == [] and len(Store().timings()) == 1
    path.write_text(json.dumps(json.loads(path.read_text()) | {"circumstances": ["others"]}))
    assert "its name is not that of its runs" in Store().verify()[0]
