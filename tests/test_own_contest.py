"""A method, a network and data from a file of one's own take part in the contest, from the command line."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from hardsample import paths
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.report import figures
from hardsample.runs.store import Store

OWN = """
import numpy as np
import torch
from torch import nn

import hardsample
from hardsample import DatasetSpec, Draw, Entry, FullMiniBatches, MethodSpec, NetworkSpec


class InOrder(FullMiniBatches):
    def __init__(self, size, n, seeds, first_step=0):
        super().__init__(size, n)
        self.size, self.n, self.seeds = size, n, seeds

    def draw(self, step):
        return Draw(((step * self.n + torch.arange(self.n)) % self.size).expand(len(self.seeds), -1))


class Linear(nn.Module):
    def __init__(self, classes, pixels):
        super().__init__()
        self.layer = nn.Linear(pixels, classes)

    def forward(self, images, masks=()):
        return self.layer(images.flatten(1) / 255)


def squares(count):
    labels = np.arange(count) % 4
    pixels = np.random.default_rng(count).integers(0, 60, (count, 1, 8, 8)) + 60 * labels[:, None, None, None]
    return pixels.astype(np.uint8), labels


hardsample.register(MethodSpec("InOrder", InOrder, entries=(Entry(),)))
for side in (8, 28):
    spec = NetworkSpec(f"linear-{side}", f"linear {side}", lambda k, _, s=side: Linear(k, s * s), (1, side, side))
    hardsample.register(spec)
hardsample.register(DatasetSpec("squares", "grey squares", load=lambda: (*squares(96), *squares(40))))
"""


@pytest.fixture
def command(tmp_path):
    """The command line in a folder of its own, with the file; what it printed, and its exit status."""
    (tmp_path / "my_own.py").write_text(OWN)
    environment = os.environ | {"PYTHONPATH": str(paths.project_root()), "HARDSAMPLE_DATA": str(tmp_path / "data")}
    environment |= {"HARDSAMPLE_RUNS": str(tmp_path / "runs"), "HARDSAMPLE_FIGURES": str(tmp_path / "figures")}

    def call(*arguments):
        line = [sys.executable, "-m", "hardsample", *arguments]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return call


CHOSEN = ("--plugin", "my_own.py", "--profile", "smoke", "--seeds", "1", "--workers", "1", "--methods", "InOrder,PLB")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["letters", "images"])
def test_all_three_are_run_and_drawn(name, command, tmp_path):
    what = ("--figure", f"rivals/{name}", "--data", "squares", "--networks", "linear-8")
    done = command("reproduce", *CHOSEN, *what)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [record.run for record in Store(tmp_path / "runs").records()]
    assert {run.method for run in runs} == {"MB", "PLB", "InOrder"}
    assert {(run.data, run.network, run.image_size) for run in runs} == {("squares", "linear-8", None)}
    folder = tmp_path / "figures" / "rivals" / "squares" / "changed" / "linear-8-MB-PLB-InOrder"
    table = pd.read_csv(folder / f"{name}-statistics.csv")
    assert set(table.method[table.n > 0]) == {"MB", "PLB", "InOrder"}
    assert "linear 8" in (folder / f"{name}-statistics.md").read_text() and (folder / f"{name}.png").is_file()


def test_a_network_that_does_not_fit_the_images_is_refused_before_anything_starts(command, tmp_path):
    done = command("run", *CHOSEN, "--figure", "rivals/letters", "--data", "squares", "--networks", "linear-28")
    told = "linear-28 takes images of 1x28x28, and these are 1x8x8: choose other data or network."
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"hardsample: {told}")
    assert not [*(tmp_path / "runs").rglob("*.json")]


@pytest.mark.parametrize(
    ("networks", "sentence"),
    [
        ("linear-9", "unknown network 'linear-9': choose one of letters-cnn, resnet18"),
        ("resnet18,resnet50", "networks is 'resnet18,resnet50', and rivals/letters compares all methods on one: give"),
    ],
)
def test_several_networks_or_an_unknown_one_are_refused(networks, sentence):
    with pytest.raises(InputError, match=sentence):
        registry.grid("rivals/letters", networks=networks)


@pytest.mark.parametrize(("name", "profile"), [("letters", "hour"), ("images", "hour"), ("images", "paper")])
def test_the_profile_s_own_network_by_its_name_is_the_figure_itself(name, profile):
    usual = registry.grid(f"rivals/{name}", profile=profile)
    assert registry.grid(f"rivals/{name}", profile=profile, networks=usual.runs[0].network) == usual


def test_a_network_of_the_package_has_what_it_can_have_of_the_profile_s_fields_and_a_place_of_its_own():
    def fields(network):
        made = registry.grid("rivals/images", profile="hour", networks=network)
        assert figures.stem(made).parent.name == network
        return {(run.network, run.image_size, run.initialization) for run in (*made.runs, *made.timed)}

    assert fields("resnet18") == {("resnet18", 32, "torchvision")}  # which is the only one
    assert fields("efficientnet_b4") == {("efficientnet_b4", 32, "torchvision")}
    assert fields("letters-cnn") == {("letters-cnn", None, "torchvision")}
    both = registry.grid("rivals/images", networks="resnet18", epochs=2.0)
    assert figures.stem(both).parent.name == "resnet18-epochs2" and "ResNet-18" in both.note


def test_of_all_figures_a_network_is_paper_b_s_alone_and_of_the_rivals_theirs():
    def networks(figure):
        made = registry.grids(figure, profile="smoke", networks="resnet18")
        return {run.network for one in made if one.name.startswith("rivals") for run in one.runs}

    assert networks("rivals") == {"resnet18"}
    assert networks("") == {"narrow-letters-cnn", "narrow-resnet"}
