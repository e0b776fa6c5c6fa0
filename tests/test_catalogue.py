"""A data set from outside the package: registered in one edit, then loaded and trained on by its name."""

import dataclasses

import numpy as np
import pytest

import hardsample
from hardsample import cli
from hardsample.config import Run
from hardsample.data import catalogue, dataset
from hardsample.data.catalogue import DatasetSpec
from hardsample.errors import InputError
from hardsample.experiments import panels
from hardsample.runs.launch import launch
from hardsample.runs.store import Store


def images(count, seed=0):
    labels = np.arange(count) % 4
    noise = np.random.default_rng(seed).integers(0, 99, (count, 28, 28))
    return (40 * labels[:, None, None] + noise).astype(np.uint8), labels


def arrays():
    return *images(160), *images(40, seed=1)


def dots(**changes):
    return dataclasses.replace(DatasetSpec("dots", "160 / 40 squares of noise, 4 shades", load=arrays), **changes)


@pytest.fixture(autouse=True)
def catalogue_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_DATA", str(tmp_path / "data"))
    before = dict(catalogue.DATASETS)
    yield
    catalogue.DATASETS.clear()
    catalogue.DATASETS.update(before)
    dataset._load.cache_clear()


def test_a_registered_data_set_is_loaded_by_its_name():
    dots(classes=("black", "dark", "light", "white")).register()
    loaded = hardsample.load("dots")
    assert (loaded.name, loaded.classes[0], loaded.num_classes, loaded.stand_in) == ("dots", "black", 4, False)
    np.testing.assert_array_equal(loaded.x_train[:, 0], images(160)[0])
    np.testing.assert_array_equal(loaded.y_test, images(40)[1])
    assert len(hardsample.load("dots", train_examples=30).x_train) == 30
    assert hardsample.load("dots") is hardsample.load("dots")


@pytest.mark.slow
def test_a_run_on_a_registered_data_set_is_trained_and_stored(tmp_path):
    dots().register()
    run = Run("dots", "PEB", 0, epochs=2.0, batch_size=16)
    store = Store(tmp_path / "runs")
    launch([run], device="cpu", workers=1, store=store, quiet=True).raise_if_incomplete()
    (record,) = store.records()
    assert record.run == run and len(record.rows) > 1


def test_a_function_may_return_a_dataset_with_its_own_classes():
    dots(load=lambda: dataset.load("glyphs", train_examples=104, test_examples=9)).register()
    loaded = hardsample.load("dots")
    assert (loaded.name, loaded.classes[:2], len(loaded.y_train)) == ("dots", ("A", "B"), 104)


def test_generated_data_are_made_to_the_size_asked_for_and_told_as_a_stand_in():
    dots(load=None, generate=lambda split, count: (np.zeros((count, 1, 8, 8), np.uint8), np.arange(count))).register()
    loaded = hardsample.load("dots", train_examples=7, test_examples=3)
    assert loaded.stand_in and (len(loaded.x_train), len(loaded.x_test)) == (7, 3)
    assert loaded.classes == tuple("0123456")
    assert catalogue.is_stand_in("dots") and not catalogue.is_stand_in("cifar10")


def test_a_papers_data_and_what_stands_for_it_come_from_the_specs():
    dots(papers=("third",)).register()
    third = panels.PaperData.of("third")
    assert third.sources("auto", stand_in=True) == third.sources("own", stand_in=False) == {"dots": "dots"}
    DatasetSpec("specks", "like dots", load=arrays, stands_for="dots").register()
    third = panels.PaperData.of("third")
    assert third.sources("auto", stand_in=True) == {"dots": "specks"}
    assert third.sources("auto", stand_in=False) == {"dots": "dots"}
    assert third.folder({"dots": "specks"}) == "" and hardsample.load("specks").stand_in


def test_the_papers_stand_ins_have_the_shapes_of_their_data():
    assert catalogue.stand_ins("base-values") == ("glyphs",)
    assert catalogue.stand_ins("hard-samples") == ("glyphs10-32", "glyphs100-32", "glyphs10-96")


def test_the_command_line_describes_it(capsys):
    dots(origin="chance").register()
    assert cli.main(["data", "--data", "dots"]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (told["name"], told["what"], told["from"]) == ("dots", "160 / 40 squares of noise, 4 shades", "chance")
    assert "made" not in told and told["train"] == "160 x 1 x 28 x 28"


def test_the_same_data_set_may_be_registered_twice_and_another_of_its_name_not():
    dots().register()
    dots().register()
    with pytest.raises(InputError, match="there are other data named 'dots': give yours a name beside glyphs, .*"):
        dots(label="others").register()
    assert catalogue.DATASETS["dots"] == dots()


@pytest.mark.parametrize("name", ["", "some/dots", "dots.npz"])
def test_a_name_that_means_a_file_is_refused(name):
    with pytest.raises(InputError, match=rf"the name of the data is '{name}': give one without"):
        dots(name=name).register()


def test_two_ways_of_loading_are_refused():
    with pytest.raises(InputError, match="the data 'dots' have download and load: give one way"):
        dots(download=catalogue.DATASETS["mnist"].download).register()


def test_a_file_cannot_pass_for_what_a_function_loads(tmp_path):
    dots().register()
    with pytest.raises(InputError, match=r"dots\.npz carries the name .*: give the file another name"):
        hardsample.load(str(tmp_path / "dots.npz"))


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (lambda: None, "returns NoneType: return a Dataset, or the four arrays x_train, y_train, x_test, y_test"),
        (lambda: arrays()[:3], "returns tuple: return a Dataset"),
        (lambda: (*arrays()[:3], np.zeros(3, int)), r"y_test in the data 'dots' has shape \(3,\): give one label"),
    ],
)
def test_what_a_function_returns_is_checked(load, words):
    dots(load=load).register()
    with pytest.raises(InputError, match=words):
        hardsample.load("dots")


def test_the_classes_are_as_many_as_the_labels():
    dots(classes=("black", "white")).register()
    with pytest.raises(InputError, match="name 2 classes, and the training labels have 4: give as many names, or none"):
        hardsample.load("dots")


def test_a_prepared_file_that_is_absent_is_named(tmp_path):
    dots(load=None).register()
    with pytest.raises(InputError, match=r"there is no dots\.npz in .*: make it and put it there, or let HARDSAMPLE_"):
        hardsample.load("dots")


def test_chance_is_known_of_every_set_known_by_name():
    assert {name: catalogue.chance(name) for name in catalogue.DATASETS} == {
        **dict.fromkeys(("glyphs", "easy-letters", "emnist-letters", "sd19-letters", "ocr-letters"), 1 / 26),
        **dict.fromkeys(("glyphs10-32", "glyphs10-96", "easy-digits", "easy-capitals", "mnist", "stl10"), 1 / 10),
        **dict.fromkeys(("cifar10", "cifar10-jpeg", "cifar10-rebuilt"), 1 / 10),
        **dict.fromkeys(("glyphs100-32", "easy-hundred", "cifar100"), 1 / 100),
    }
    assert catalogue.chance("some data of mine.npz") is None
    dots(class_count=4).register()
    assert catalogue.chance("dots") == 1 / 4
