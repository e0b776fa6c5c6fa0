"""A long tail of classes: how many examples of each stay, which, and what a run of them is."""

import dataclasses

import numpy as np
import pytest
import torch

import hardsample
from hardsample.config import Run
from hardsample.data.class_imbalance import enough, keep, sizes
from hardsample.errors import InputError
from hardsample.records import data_choice

LABELS = np.random.default_rng(5).permutation(np.repeat(np.arange(4), 60))
RUN = Run("own", "MB", 1, batch_size=10, epochs=2.0, class_imbalance=8.0, network="narrow-letters-cnn")


@pytest.fixture
def own(tmp_path):
    """A file of 4 classes, 60 letters of each, whose pixels are their places."""
    images = np.zeros((240, 1, 28, 28), np.uint8)
    images[:, 0, 0, 0] = np.arange(240)
    images[:, 0, -1, -1] = 255
    path = tmp_path / "own.npz"
    np.savez(path, x_train=images, y_train=LABELS, x_test=images[:40], y_test=LABELS[:40])
    return str(path)


def test_class_sizes_fall_geometrically_by_that_factor():
    assert sizes(np.array([60, 60, 60, 60]), 8).tolist() == [60, 30, 15, 7]  # 112.5 are possible
    assert sizes(np.array([600] * 3), 100).tolist() == [600, 60, 6]
    cifar = sizes(np.full(10, 5_000), 50)  # its published sizes: 5,000 mu^i, and 100 of the last class
    assert (cifar[0], cifar[-1]) == (5_000, 100) and np.abs(cifar - 5_000 * 50 ** (-np.arange(10) / 9)).max() < 1


def test_so_many_stay_as_are_wanted():
    for wanted in (1_000, 1_024, 1_111):
        found = sizes(np.full(26, 500), 50, wanted)
        assert found.sum() == wanted and (np.diff(found) <= 0).all()
        assert np.abs(found - found.sum() * 50 ** (-np.arange(26) / 25) / (50 ** (-np.arange(26) / 25)).sum()).max() < 1


def test_a_rare_class_sets_the_size_of_all():
    available = np.array([100, 10, 100])
    assert sizes(available, 4).tolist() == [20, 10, 5] == sizes(available, 4, 1_000).tolist()


def test_a_class_that_would_keep_nothing_is_refused_and_the_number_said_is_enough():
    with pytest.raises(InputError, match="class_imbalance is 50, and the last of the 26 classes would keep none of 64"):
        sizes(np.full(26, 500), 50, 64)
    with pytest.raises(InputError, match="give a smaller factor, or at least 340 training examples"):
        sizes(np.full(26, 500), 50, 64)
    assert sizes(np.full(26, 500), 50, 340).min() == 1
    with pytest.raises(InputError, match="keep none of 0 examples"):
        sizes(np.array([9, 0, 9]), 2)


def test_what_stays_is_a_fixed_part_in_an_order_without_pattern():
    places = keep(LABELS, 4, 8.0, 90)
    assert np.bincount(LABELS[places]).tolist() == [48, 24, 12, 6] and len(set(places)) == 90
    assert np.array_equal(places, keep(LABELS, 4, 8.0, 90))
    assert set(keep(LABELS, 4, 8.0, 45)) < set(places)
    halves = [np.bincount(LABELS[half], minlength=4)[0] for half in (places[:45], places[45:])]
    assert min(halves) > 15  # of 48


def test_data_are_loaded_so_and_the_test_set_stays(own):
    data, usual = hardsample.load(own, class_imbalance=8, test_examples=30), hardsample.load(own, test_examples=30)
    assert torch.bincount(data.y_train).tolist() == [60, 30, 15, 7] and data.class_imbalance == 8
    assert torch.equal(data.x_test, usual.x_test) and data.fingerprint != usual.fingerprint
    assert np.array_equal(LABELS[data.x_train[:, 0, 0, 0].numpy()], data.y_train.numpy())
    assert len(hardsample.load(own, class_imbalance=8, train_examples=45).y_train) == 45
    assert torch.equal(hardsample.load(own, class_imbalance=1).x_train, usual.x_train)
    with pytest.raises(InputError, match="class_imbalance is 0.5: give 1"):
        hardsample.load(own, class_imbalance=0.5)


def test_generated_data_have_as_many_as_are_asked_for():
    data = hardsample.load("easy-letters", train_examples=400, test_examples=52, class_imbalance=20)
    counts = torch.bincount(data.y_train)
    assert counts.sum() == 400 and (counts[0], counts[-1]) == (47, 2)  # 47.1 and 2.4
    assert enough(400, 26, 20) < 26 * 400


def test_updates_follow_the_examples_that_stay(own):
    (result,) = hardsample.train([RUN], hardsample.load(own, class_imbalance=8))
    assert result.rows[-1][0] == round(2 * 112 / 10)


def test_data_of_another_imbalance_are_refused(own):
    usual = dataclasses.replace(RUN, class_imbalance=1.0)
    for run, factor, words in ((RUN, 1, "is 8, and the data 'own' were loaded with 1"), (usual, 8, "is 1, and")):
        with pytest.raises(InputError, match=f"class_imbalance of the run {words}"):
            hardsample.train([run], hardsample.load(own, class_imbalance=factor))


def test_a_run_says_it_and_one_of_the_usual_classes_keeps_its_key():
    usual = dataclasses.replace(RUN, class_imbalance=1.0)
    assert RUN.label == f"{usual.label}-imbalance8" and "class_imbalance" not in usual.canonical
    assert data_choice(RUN) != data_choice(usual)
    assert dataclasses.replace(RUN, pretrain_epochs=1.0).start.class_imbalance == 8
