"""The light installation trains, chooses and compares; what it leaves out is named with the extra that brings it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hardsample import extras
from hardsample.errors import InputError
from hardsample.paths import project_root

PROJECT = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}  # that have another name than what brings them
WITHOUT = f"import sys; sys.modules |= dict.fromkeys({sorted(extras.EXTRAS)}); "
WORK = """
import numpy as np
import torch
import hardsample

images, labels = np.random.default_rng(0).integers(0, 256, (48, 28, 28), np.uint8), np.arange(48) % 4
np.savez("own.npz", x_train=images[:32], y_train=labels[:32], x_test=images[32:], y_test=labels[32:])
data = hardsample.load("own.npz")
runs = [hardsample.Run(data.name, "PEB", seed, batch_size=8, epochs=1.0) for seed in (1, 2)]
results = hardsample.train(runs, data)
assert len(results) == 2 and results[0].rows

sampler = hardsample.BaseValuesSampler(32, 8)
for indices in sampler:
    sampler.update(indices, torch.rand(len(indices)))
assert str(sampler.report()).startswith("BaseValuesSampler: 4 updates, 32 draws")

assert hardsample.HardMiniBatchSampler(32, 8) and hardsample.MethodSampler("InfoBatch", 32, 8, epochs=2.0)
assert hardsample.grid("base-values/figure-1", profile="smoke").runs
assert hardsample.paired([1.0, 2.0, 4.0], [0.0, 0.5, 1.0]).n == 3
print("done")
"""


def light(code: str, folder: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join((str(project_root()), os.environ.get("PYTHONPATH", "")))
    command, environment = (sys.executable, "-c", WITHOUT + code), os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_light_set_is_four_libraries():
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == {"numba", "numpy", "scipy", "torch"}


def test_every_direct_dependency_of_reproduce_is_known_by_its_extra():
    brought = {Requirement(line).name for line in PROJECT["optional-dependencies"]["reproduce"]}
    brought = {MODULES.get(name, name) for name in brought}
    assert brought <= extras.EXTRAS.keys() and set(extras.EXTRAS.values()) <= PROJECT["optional-dependencies"].keys()


def test_the_light_set_trains_chooses_and_compares(tmp_path):
    done = light(WORK, tmp_path)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "from hardsample.cli import main; sys.exit(main(['figures', '--figure', 'audit']))",
        "import hardsample; hardsample.load('glyphs')",
        "import hardsample; hardsample.Store().curves(hardsample.grid('table-3', profile='smoke'))",
    ],
)
def test_whoever_needs_more_says_which_extra(code, tmp_path):
    done = light(code, tmp_path)
    assert done.returncode in (1, 2)
    said = done.stderr.splitlines()[-1]
    assert re.search(
        r"this needs \w+, which the light installation leaves out: pip install 'hardsample\[reproduce\]'", said
    )


def test_another_missing_module_is_an_error_of_its_own():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), extras.explained():
        import no_such_module  # noqa: F401
    with pytest.raises(InputError, match="this needs pandas"), extras.explained():
        raise ModuleNotFoundError(name="pandas.core")
