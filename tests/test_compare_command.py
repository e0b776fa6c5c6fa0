"""`hardsample compare`: what is named on the command line, and what is written."""

import inspect
import json
import sys

import numpy as np
import pytest

from hardsample import compare, plugins
from hardsample.cli import main
from hardsample.commands import knobs
from hardsample.comparison import named, trials
from hardsample.methods.registry import METHODS
from hardsample.training.networks import NETWORKS

MODULE = """
import torch
from torch import nn

import hardsample
from hardsample.methods.uniform import UniformStream

def make_model():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

def regressor():
    return nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))

def make_data():
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    return (x, x.sum(1)), (x, x.sum(1))

def worst(outputs, targets):
    return float((outputs - targets).abs().max())

class Mine(UniformStream):
    pass

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(16, classes)

    def forward(self, images, masks=()):
        return self.layer(images.flatten(1) / 255)

def build(classes, image_size):
    return Net(classes)

hardsample.register(hardsample.MethodSpec("mine-by-command", Mine))
hardsample.register(hardsample.NetworkSpec("net-by-command", "a linear network", build))
"""
QUICK = ("--seeds", "2", "--epochs", "1", "--batch-size", "8", "--evaluations", "2", "--workers", "1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module and data of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(tmp_path / "figures"))
    (tmp_path / "own_of_a_command.py").write_text(MODULE)
    random = np.random.default_rng(1)
    images, labels = random.integers(0, 256, (60, 1, 4, 4), np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "mine.npz", x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    yield tmp_path
    plugins._loaded.pop("own_of_a_command", None)
    sys.modules.pop("own_of_a_command", None)
    METHODS.pop("mine-by-command", None)
    NETWORKS.pop("net-by-command", None)


def ran(*arguments):
    return main(["compare", *arguments, *QUICK])


def test_a_model_and_data_of_ones_own(folder, capsys):
    assert ran("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--methods", "shuffled,PLB(beta=1)") == 0
    said = capsys.readouterr().out
    assert "accuracy  PLB(beta=1)" in said and "make_model.png" in said
    out = folder / "figures" / "comparisons"
    assert {path.name for path in out.iterdir()} == {f"make_model.{kind}" for kind in ("png", "pdf", "csv", "md")}
    assert (out / "make_model.png").stat().st_size > 10_000 and "| accuracy | PLB(beta=1) |" in (
        out / "make_model.md"
    ).read_text()
    assert ran("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--methods", "shuffled,PLB(beta=1)") == 0
    assert "4 stored, 0 to do" in capsys.readouterr().out
    first = json.loads(next(trials.files(folder / "runs")).read_text())
    assert "own_of_a_command" in first["provenance"]["plugins"]


def test_a_regression_with_all_of_its_functions(folder, capsys):
    module = "own_of_a_command"
    given = ("--data", f"{module}:make_data", "--model", f"{module}:regressor", "--loss", "squared-error")
    more = ("--score", "absolute-error", "--metrics", f"{module}:worst", "--lower-is-better", "worst")
    rest = ("--optimizer", "sgd", "--learning-rate", "0.01", "--name", "try", "--out", "here/it")
    assert ran(*given, *more, *rest, "--methods", "shuffled,PLB") == 0
    assert "worst   PLB" in capsys.readouterr().out and (folder / "here" / "it.md").exists()


def test_methods_networks_and_workers_with_a_plugin(folder, capsys):
    given = ("--plugin", "own_of_a_command.py", "--data", "mine.npz", "--model", "net-by-command")
    assert main(["compare", *given, *QUICK[:-1], "2", "--methods", "uniform,mine-by-command"]) == 0
    assert "net-by-command: 40 training examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), "needs --data and --model"),
        (("--data", "other.npz", "--model", "own_of_a_command:make_model"), "there is no file other.npz"),
        (("--data", "half.npz", "--model", "own_of_a_command:make_model"), "half.npz has no y_train"),
        (("--data", "objects.npz", "--model", "own_of_a_command:make_model"), "without pickle"),
        (("--data", "torn.npz", "--model", "own_of_a_command:make_model"), "torn.npz cannot be read"),
        (("--data", "dark.npz", "--model", "own_of_a_command:make_model"), "x_train in dark.npz has no byte above 1"),
        (
            ("--data", "wraps.npz", "--model", "own_of_a_command:make_model"),
            "y_train in wraps.npz has 1844674407370955",
        ),
        (("--data", "glyphz", "--model", "own_of_a_command:make_model"), "did you mean glyphs"),
        (("--data", "mine.npz", "--model", "own_of_a_command"), "my_module:model"),
        (("--data", "mine.npz", "--model", "own_of_a_command:other"), "has no 'other'"),
        (("--data", "mine.npz", "--model", "nowhere:other"), "no file nowhere.py here"),
        (("--data", "own_of_a_command:make_model", "--model", "own_of_a_command:make_model"), "train_set, test_set"),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--loss", "l2"), "--loss is 'l2'"),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--methods", "shuffled,PLBB"), "PLBB"),
        (
            ("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--optimizer", "own_of_a_command:x")
            + ("--learning-rate", "1"),
            "--learning-rate goes with adam",
        ),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--methods", ","), "a name is missing"),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--methods", "PLB,PLB"), "PLB stands twice"),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--name", "x" * 300), "up to 100 letters"),
        (("--data", "mine.npz", "--model", "own_of_a_command:make_model", "--out", "x" * 300), "the name is too long"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(folder, capsys, arguments, said):
    np.savez(folder / "half.npz", x_train=np.zeros(3))
    (folder / "torn.npz").write_bytes(b"PK torn")
    whole = {name: np.zeros(4, int) for name in named.ARRAYS} | dict.fromkeys(("x_train", "x_test"), np.ones((4, 3)))
    np.savez(folder / "dark.npz", **whole | {"x_train": np.eye(4, dtype=np.uint8)})
    np.savez(folder / "wraps.npz", **whole | {"y_train": np.array([0, 1, 0, 2**64 - 1], np.uint64)})
    np.savez(folder / "objects.npz", **dict.fromkeys(named.ARRAYS, np.array([{}, None], dtype=object)))
    assert ran(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1
    assert not (folder / "figures").exists() and not list(trials.files(folder / "runs"))


def test_help_names_the_defaults_of_python():
    defaults = {name: parameter.default for name, parameter in inspect.signature(compare).parameters.items()}
    for flag in ("--seeds", "--epochs", "--batch-size", "--evaluations"):
        settings = knobs.COMMANDS["compare"][0][flag]
        assert "default" not in settings
        assert settings["help"].endswith(f"(default: {defaults[flag.strip('-').replace('-', '_')]})")


def test_commas_within_brackets_belong_to_a_method():
    three = ["shuffled", "PLB(power=0.6, uniform=0.1)", "PEB"]
    assert named.parts("--methods", "shuffled, PLB(power=0.6, uniform=0.1),PEB") == three
    assert named.parts("--methods", "") == []
