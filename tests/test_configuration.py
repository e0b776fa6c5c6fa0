"""The frozen record of a run: strict, hashable, its key stable."""

import dataclasses
import json
import pickle
import subprocess
import sys

import pytest

from hardsample.config import Run
from hardsample.errors import InputError

RUN = Run(data="glyphs", method="PEB", seed=3, pretrain_epochs=2.0, options={"floor": 1e-6})


def test_it_survives_json_and_pickle():
    assert Run.from_dict(json.loads(json.dumps(RUN.to_dict()))) == RUN
    copy = pickle.loads(pickle.dumps(RUN))
    assert copy == RUN and copy.key == RUN.key and hash(copy) == hash(RUN)


def test_every_field_is_in_the_key():
    changes = {
        "data": "mnist", "method": "MB", "seed": 4, "options": {}, "network": "other", "optimizer": "other",
        "learning_rate": 1.0, "rho": 0.5, "learning_rate_decay": 0.5, "batch_size": 4, "epochs": 3.0,
        "pretrain_epochs": 1.0, "pretrain_start": "shared", "pretrain_optimizer_state": "carried",
        "train_examples": 5, "test_examples": 5, "evaluate_train_examples": 5, "evaluations_per_epoch": 5,
        "precision": "bf16", "momentum": 0.5, "image_size": 64, "evaluation_statistics": "batch",
        "evaluation_average": "mini-batches", "loss": "focal", "focal_gamma": 1.0, "label_noise": 0.1,
        "class_imbalance": 50.0,
        "learning_rate_schedule": "cosine", "initialization": "timm",
        "input_scaling": "standard", "detail": "examples",
    }  # fmt: skip
    assert changes.keys() == {field.name for field in dataclasses.fields(Run)}
    keys = {dataclasses.replace(RUN, **{name: value}).key for name, value in changes.items()}
    assert len(keys | {RUN.key}) == len(changes) + 1


def test_the_key_is_the_same_in_another_process():
    code = f"from hardsample.config import Run; print(Run.from_dict({RUN.to_dict()!r}).key)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == RUN.key


def test_the_order_of_options_does_not_matter():
    one, other = ({"alpha": 1, "reset": True}, {"reset": True, "alpha": 1})
    assert dataclasses.replace(RUN, options=one).key == dataclasses.replace(RUN, options=other).key


def test_the_start_forgets_the_method_and_keeps_the_seed():
    start = RUN.start
    assert (start.method, start.seed, start.epochs, start.pretrain_epochs, dict(start.options)) == ("MB", 3, 2.0, 0, {})
    assert start.start is None
    assert dataclasses.replace(RUN, pretrain_start="shared").start.seed == 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"lr": 1}, "unknown field of a run 'lr': choose one of data, method, seed"),
        ({"seed": 1.5}, r"seed is 1.5 \(float\): give int"),
        ({"seed": True}, r"seed is True \(bool\): give int"),
        ({"learning_rate": "0.1"}, r"learning_rate is '0.1' \(str\): give float"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: give a value above 0"),
        ({"label_noise": 1.5}, "label_noise is 1.5: give a share of the labels, 0 to 1"),
        ({"class_imbalance": 0.5}, "class_imbalance is 0.5: give 1 .the classes as they are. or a factor above it"),
        ({"class_imbalance": float("inf")}, "class_imbalance is inf: give 1"),
        ({"focal_gamma": -1}, "focal_gamma is -1.0: give 0"),
        ({"initialization": "keras"}, "unknown initialization 'keras': choose one of torchvision, timm"),
        ({"input_scaling": "zscore"}, "unknown input_scaling 'zscore': choose one of unit, standard"),
        ({"loss": "hinge"}, "unknown loss 'hinge': choose one of cross-entropy, focal"),
        ({"batch_size": 0}, "batch_size is 0: give a value above 0"),
        ({"pretrain_epochs": 11}, "pretrain_epochs is 11.0: give 0 to 10.0"),
        ({"precision": "fp8"}, "unknown precision 'fp8': choose one of float32, tf32, bf16"),
        ({"train_examples": 0}, "train_examples is 0: give at least 1, or nothing for all"),
        ({"options": 3}, "options is 3: give a mapping"),
        ({"options": {1: 2}}, "options is {1: 2}: give a mapping"),
        ({"options": {"floor": float("nan")}}, "options are .* give plain values, as JSON has them"),
        ({"options": {"floor": object()}}, "options are .* give plain values, as JSON has them"),
        ({"options": {"delta": "../../secret"}}, "the name of the run is .* give one without / and"),
        ({"rho": 7}, "rho is 7.0: give 0, or a share below 1"),
        ({"rho": 10**400}, "rho is 1000.* give a smaller number"),
        ({"learning_rate": float("inf")}, "learning_rate is inf: give a value above 0, and not infinite"),
        ({"learning_rate_decay": 0}, "learning_rate_decay is 0.0: give 1"),
        ({"learning_rate_decay": float("nan")}, "learning_rate_decay is nan: give 1"),
        ({"epochs": float("inf")}, "epochs is inf: give a value above 0, and not infinite"),
        ({"evaluations_per_epoch": float("nan")}, "evaluations_per_epoch is nan"),
        ({"focal_gamma": float("inf")}, "focal_gamma is inf: give 0"),
        ({"seed": -1}, "seed is -1: give a whole number from 0 up"),
        ({"seed": 2**64}, "seed is 18446744073709551616: give a whole number from 0 up"),
        ({"batch_size": 2**64}, "batch_size is 18446744073709551616: give a whole number below"),
        ({"image_size": 2**64}, "image_size is 18446744073709551616: give a whole number below"),
        ({"data": "../../secret"}, "data is '../../secret': give one without / and"),
        ({"data": ".."}, "data is '..': give one without / and"),
        ({"data": "own.npz"}, "data is 'own.npz': give the name of the data"),
        ({"data": ""}, "data is '': give one without"),
        ({"data": "a\nb"}, "data is 'a.+nb': give one without / and"),
        ({"data": "x" * 300}, "data is 'xxx.*, too long for the name of a file"),
        ({"method": "a/b"}, "method is 'a/b': give one without / and"),
        ({"network": "..\\b"}, "network is .* give one without / and"),
        ({"data": "a" * 90, "method": "b" * 90, "network": "c" * 90}, "the name of the run is .*, too long"),
    ],
)
def test_bad_fields_are_refused_by_name(change, message):
    with pytest.raises(InputError, match=message):
        Run.from_dict({"data": "glyphs", "method": "MB", "seed": 1} | change)


@pytest.mark.parametrize("values", [None, [], "glyphs", 7])
def test_what_is_no_mapping_is_no_run(values):
    with pytest.raises(InputError, match="give a mapping with its fields"):
        Run.from_dict(values)


def test_missing_fields_are_named():
    with pytest.raises(InputError, match="a run needs method and seed"):
        Run.from_dict({"data": "glyphs"})
