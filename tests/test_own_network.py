"""A network from outside the package, in one edit, and a process that training leaves as it was."""

import subprocess
import sys

import pytest
from torch import nn

import hardsample
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.errors import InputError
from hardsample.runs.store import Store
from hardsample.training import network_spec, networks
from hardsample.training.network_spec import NetworkSpec


class Linear(nn.Module):
    def __init__(self, classes, image_size):
        super().__init__()
        self.linear = nn.Linear(28 * 28, classes)

    def forward(self, images, masks=()):
        return self.linear(images.flatten(1).float() / 255)


LINEAR = NetworkSpec("linear", "linear classifier", Linear, image_shape=(1, 28, 28), max_cohort_size=4)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(network_spec, "NETWORKS", dict(network_spec.NETWORKS))
    monkeypatch.setattr(networks, "NETWORKS", network_spec.NETWORKS)


@pytest.mark.slow
def test_a_network_of_one_s_own_is_trained_after_it_is_registered(tmp_path):
    data = load("glyphs", train_examples=64, test_examples=20)
    fields = {"network": "linear", "optimizer": "sgd", "epochs": 4.0, "learning_rate": 0.02, "batch_size": 8}
    runs = [Run("glyphs", "PLB", seed, train_examples=64, test_examples=20, **fields) for seed in (1, 2)]
    with pytest.raises(InputError, match="unknown network 'linear': choose one of letters-cnn, resnet18"):
        hardsample.train(runs, data)
    LINEAR.register()
    LINEAR.register()  # as a worker does that imports its module again
    results = hardsample.train(runs, data)
    losses = [[row[results[0].columns.index("loss/train")] for row in result.rows] for result in results]
    assert all(values[-1] < values[0] for values in losses)
    alone = hardsample.train(runs[:1], data)[0]
    assert [row[4] for row in alone.rows] == pytest.approx(losses[0], rel=1e-4)
    assert networks.max_cohort_size("linear") == 4 and networks.parameters("linear", 26) == 785 * 26
    assert Store(tmp_path).path(runs[0]).parent == tmp_path / "own" / "glyphs"
    assert runs[0].label.startswith("glyphs-linear-PLB")


def test_images_and_sizes_that_it_cannot_take_are_refused():
    LINEAR.register()
    with pytest.raises(InputError, match="linear takes images of 1x28x28, and these are 3x32x32"):
        networks.check_images("linear", (3, 32, 32))
    with pytest.raises(InputError, match="image_size is 32, but linear takes images of 28x28 alone"):
        networks.build("linear", 26, 1, 32)
    with pytest.raises(InputError, match="linear has one initialisation alone"):
        networks.check_initialization("linear", "timm")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (NetworkSpec("resnet18", "another", Linear), "another network named 'resnet18'"),
        (NetworkSpec("a/b", "a/b", Linear), "the name of the network is 'a/b'"),
        (NetworkSpec("wide", "wide", Linear, max_cohort_size=0), "max_cohort_size of wide is 0"),
    ],
)
def test_a_spec_that_cannot_serve_is_refused(spec, message):
    known = dict(network_spec.NETWORKS)
    with pytest.raises(InputError, match=message):
        spec.register()
    assert network_spec.NETWORKS == known


@pytest.mark.slow
def test_training_leaves_the_process_as_it_was():
    code = """
import torch
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.training import process, trainer, updates
def flushes():
    return (torch.full((8,), 1e-38) / 1e3).eq(0).all().item()
data = load("glyphs", train_examples=32, test_examples=8)
run = Run("glyphs", "MB", 1, epochs=1.0, pretrain_epochs=0.5, batch_size=16, train_examples=32, test_examples=8)
threads, found = torch.get_num_threads(), []
starts = trainer.pretrain([run.start], data)
found.append(flushes())
seen = lambda _: found.append(flushes())
trainer.train([run], data, starts=starts, report=seen)
found.append(flushes())
updates.stepper(run.start, data)()
updates.estimate(run, data)
found.append(flushes())
process.configure_process()
trainer.train([run], data, starts=starts)
found.append(flushes())
assert threads == torch.get_num_threads()
print(found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[False, True, False, False, True]"
