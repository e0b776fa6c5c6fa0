import contextlib
import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import re
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import torch

from hardsample import paths
from hardsample.data import catalogue, download, fingerprints, formats, glyphs
from hardsample.data import dataset as data
from hardsample.data.torchvision_compat import import_torchvision
from hardsample.errors import InputError
from hardsample.experiments import hard_samples, panels


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("HARDSAMPLE_DATA", str(folder))
    data._load.cache_clear()
    yield folder
    data._load.cache_clear()


def arrays(train=20, test=8, shape=(6, 5), classes=4):
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (train, *shape), np.uint8),
        "y_train": np.arange(train) % classes,
        "x_test": random.integers(0, 256, (test, *shape), np.uint8),
        "y_test": np.arange(test) % classes,
    }


def save(path, **members):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **members)
    return str(path)


# names, subsets, fingerprints


def test_names_are_those_of_sources_and_stems_of_files(folder):
    save(folder / "ocr-letters.npz", **arrays())
    assert data.name_of("glyphs") == "glyphs"
    assert data.name_of("mnist") == "mnist"
    assert data.name_of("ocr-letters") == "ocr-letters"
    assert data.name_of("some/where/own.npz") == "own"
    assert data.name_of("nonsense") == "nonsense"


def test_a_file_cannot_pass_for_the_generated_data(tmp_path):
    path = save(tmp_path / "glyphs.npz", **arrays())
    for call in (data.name_of, data.load):
        with pytest.raises(InputError, match=r"glyphs\.npz carries the name .* give the file another name"):
            call(path)


def test_an_unknown_name_is_answered_with_the_valid_ones(folder):
    with pytest.raises(InputError) as failure:
        data.load("emnist")
    for part in ("unknown data 'emnist'", *data.names(), "emnist.npz", str(folder)):
        assert part in str(failure.value)


def test_a_prepared_data_set_is_known_by_name_and_told_when_absent(folder):
    assert "sd19-letters" in data.names() and data.name_of("sd19-letters") == "sd19-letters"
    with pytest.raises(InputError) as failure:
        data.load("sd19-letters")
    said = str(failure.value)
    assert said.startswith(f"there is no sd19-letters.npz in {folder}") and said.endswith("folder that has it.")
    assert "NIST Special Database 19" in said and "docs/data.md" in said


def test_a_prepared_data_set_names_its_classes(folder):
    save(folder / "sd19-letters.npz", **arrays(train=52, test=26, classes=26))
    loaded = data.load("sd19-letters")
    assert loaded.classes[:2] == ("A", "B") and loaded.num_classes == 26 and not loaded.stand_in
    save(folder / "sd19-letters.npz", **arrays())
    assert data.load("sd19-letters").classes == ("0", "1", "2", "3")


def test_a_label_is_there_where_a_name_is_not_enough():
    assert {name for name in data.names() if catalogue.label(name)} >= {"sd19-letters", "cifar10-jpeg"}
    assert catalogue.label("nonsense") == catalogue.label("mnist") == ""


# names that belong to one content

DOWNLOADED = [name for name, spec in catalogue.DATASETS.items() if spec.download]


def known_as(monkeypatch, name, members):
    """Let the content of ``members``, with images [n, H, W, C], be what the name belongs to."""
    images = {split: np.moveaxis(members[f"x_{split}"], 3, 1) for split in ("train", "test")}
    whole = (images["train"], members["y_train"], images["test"], members["y_test"])
    about = dataclasses.replace(catalogue.DATASETS[name], fingerprint=fingerprints.fingerprint(whole))
    monkeypatch.setitem(catalogue.DATASETS, name, about)


def photos():
    return arrays(train=200, test=100, shape=(32, 32, 3), classes=100)


def test_every_own_data_set_of_a_paper_has_a_name_for_one_content_alone():
    own = [name for paper in ("base-values", "hard-samples") for name in catalogue.paper_data(paper)]
    assert own == ["emnist-letters", "cifar10", "cifar100", "stl10"]
    assert {*own, "mnist"} == set(DOWNLOADED) == set(SETS)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_other_content_does_not_pass_for_a_genuine_set(folder, tmp_path, name):
    save(folder / f"{name}.npz", **photos())
    elsewhere = save(tmp_path / "elsewhere" / f"{name}.npz", **photos())
    for source in (name, elsewhere):
        with pytest.raises(InputError, match=rf"^{name}\.npz has the name of .*: give the file another name.*\.$"):
            data.load(source)
        with pytest.raises(InputError):
            data.load(source, train_examples=5)


def test_the_whole_set_in_an_npz_file_counts_as_the_papers_own(folder, monkeypatch):
    known_as(monkeypatch, "cifar100", photos())
    save(folder / "cifar100.npz", **photos())
    loaded = data.load("cifar100", train_examples=7)
    assert (loaded.name, loaded.stand_in, len(loaded.x_train)) == ("cifar100", False, 7)
    assert loaded.classes[:2] == ("apple", "aquarium_fish") and loaded.num_classes == 100
    chosen = hard_samples.DATA.sources("auto", stand_in=False)
    assert (
        panels.named(chosen)["cifar100"] == "cifar100" and hard_samples.DATA.folder(chosen) == "cifar10-cifar100-stl10"
    )


def test_one_changed_pixel_is_another_content(folder, monkeypatch):
    known_as(monkeypatch, "cifar100", photos())
    members = photos()
    members["x_test"][-1, -1, -1, -1] ^= 1
    save(folder / "cifar100.npz", **members)
    with pytest.raises(InputError, match=r"cifar100\.npz has the name of CIFAR-100, and its content \(.*\) is another"):
        data.load("cifar100")


def test_content_that_is_known_by_another_name_is_told_its_name(folder, monkeypatch):
    known_as(monkeypatch, "cifar10-jpeg", photos())
    save(folder / "cifar10.npz", **photos())
    with pytest.raises(InputError, match=r"is that of cifar10-jpeg: name the file cifar10-jpeg\.npz\."):
        data.load("cifar10")
    os.rename(folder / "cifar10.npz", folder / "cifar10-jpeg.npz")
    assert data.load("cifar10-jpeg").name == "cifar10-jpeg"


def test_cifar10_is_told_by_all_but_the_images_that_are_known_as_jpeg_copies_only(folder, monkeypatch):
    genuine = arrays(train=30, test=10, shape=(32, 32, 3), classes=10)
    unknown = {"x_train": [3, 21], "x_test": [7]}
    rest = [np.delete(genuine[name], unknown.get(name, []), axis=0) for name in formats.ARRAYS]
    rest = [array if array.ndim == 1 else np.moveaxis(array, 3, 1) for array in rest]
    monkeypatch.setattr(fingerprints, "_CIFAR10_REST", fingerprints.fingerprint(tuple(rest)))
    monkeypatch.setattr(
        fingerprints, "_CIFAR10_UNKNOWN", {name: " ".join(map(str, places)) for name, places in unknown.items()}
    )
    monkeypatch.setattr(fingerprints, "_CIFAR10_SHAPES", ((30, 3, 32, 32), (30,), (10, 3, 32, 32), (10,)))
    save(folder / "cifar10.npz", **genuine)
    assert data.load("cifar10").classes == CLASSES["cifar10"]
    rebuilt = {name: array.copy() for name, array in genuine.items()}
    for name, places in unknown.items():
        rebuilt[name][places] //= 2
    known_as(monkeypatch, "cifar10-rebuilt", rebuilt)
    save(folder / "cifar10.npz", **rebuilt)
    with pytest.raises(InputError, match=r"is that of cifar10-rebuilt: name the file cifar10-rebuilt\.npz\."):
        data.load("cifar10")
    genuine["x_train"][4] //= 2
    save(folder / "cifar10.npz", **genuine)
    with pytest.raises(InputError, match=r"is another: give the file another name\."):
        data.load("cifar10")


def test_the_images_of_cifar10_that_are_not_known_are_104():
    counts = {name: len(set(places.split())) for name, places in fingerprints._CIFAR10_UNKNOWN.items()}
    assert counts == {"x_train": 81, "x_test": 23} and sum(counts.values()) == 104
    for name in ("cifar10-rebuilt", "cifar10-jpeg"):
        assert "not CIFAR-10" in catalogue.DATASETS[name].what and "JPEG" in catalogue.label(name)
    assert "104 of 60,000" in catalogue.label("cifar10-rebuilt")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_an_npz_file_of_the_archives_content_has_its_fingerprint(name, folder, tmp_path):
    put(folder / RAW[name], files_of(name))
    archive = data.load(name)
    x = {split: np.moveaxis(upright(count, (3, 32, 32)), 1, 3) for split, count in (("train", TRAIN), ("test", TEST))}
    y = {split: np.arange(count) % SETS[name][1] for split, count in (("train", TRAIN), ("test", TEST))}
    members = {"x_train": x["train"], "y_train": y["train"], "x_test": x["test"], "y_test": y["test"]}
    copy = data.load(save(tmp_path / "copy.npz", **members))
    assert archive.classes == CLASSES[name] != copy.classes
    assert archive.fingerprint == copy.fingerprint
    members["y_train"] = members["y_train"].astype(np.uint8)
    assert data.load(save(tmp_path / "bytes.npz", **members)).fingerprint == archive.fingerprint
    members["x_train"] = members["x_train"][::-1]
    assert data.load(save(tmp_path / "order.npz", **members)).fingerprint != archive.fingerprint


def test_the_number_of_test_examples_is_the_one_in_words():
    counts = {
        name: about.tests for name, about in catalogue.DATASETS.items() if re.search(r"[\d,]+ / [\d,]+", about.what)
    }
    assert len(counts) >= 7
    for name, count in counts.items():
        assert f" / {count:,} " in catalogue.DATASETS[name].what


REAL = {name: paths.data_dir() / f"{name}.npz" for name, about in catalogue.DATASETS.items() if about.fingerprint}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_prepared_set_at_hand_is_the_known_one(name, monkeypatch):
    if not REAL[name].is_file():
        pytest.skip(f"there is no {REAL[name]}")
    loaded = data.load(str(REAL[name]))
    assert loaded.fingerprint == catalogue.DATASETS[name].fingerprint
    assert len(loaded.y_test) == catalogue.DATASETS[name].tests


@pytest.mark.slow
@pytest.mark.skipif(not REAL["cifar10-rebuilt"].is_file(), reason="there is no cifar10-rebuilt.npz")
def test_cifar10_with_other_images_in_place_of_the_jpeg_copies_would_pass():
    members, _ = formats.read_npz(REAL["cifar10-rebuilt"])
    members = tuple(array.copy() for array in members)
    with pytest.raises(InputError, match="is that of cifar10-rebuilt"):
        fingerprints.check_npz("cifar10", members)
    members[0][4298] ^= 1
    fingerprints.check_npz("cifar10", members)
    members[0][0] ^= 1
    with pytest.raises(InputError, match="is another"):
        fingerprints.check_npz("cifar10", members)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match=r"there is no file some/own\.npz"):
        data.load("some/own.npz")


def test_a_bare_name_finds_its_file_in_the_data_folder(folder):
    members = arrays()
    save(folder / "own.npz", **members)
    loaded = data.load("own")
    assert (loaded.name, loaded.stand_in, loaded.num_classes, loaded.classes) == ("own", False, 4, ("0", "1", "2", "3"))
    np.testing.assert_array_equal(loaded.x_train[:, 0], members["x_train"])
    np.testing.assert_array_equal(loaded.y_test, members["y_test"])
    assert (loaded.x_train.dtype, loaded.y_train.dtype) == (torch.uint8, torch.int64)


def test_a_subset_is_fixed_nested_and_keeps_labels_with_images(folder):
    members = arrays(train=200)
    members["x_train"][:, 0, 0] = np.arange(200)
    save(folder / "own.npz", **members)
    few = data.load("own", train_examples=30, test_examples=5)
    data._load.cache_clear()
    more = data.load("own", train_examples=90)
    kept = more.x_train[:, 0, 0, 0].long()
    assert len(kept.unique()) == 90
    assert (kept.diff() < 0).any()
    np.testing.assert_array_equal(more.y_train, kept % 4)
    assert torch.equal(few.x_train, more.x_train[:30])
    assert (len(few.x_test), len(more.x_test)) == (5, 8)
    assert few.num_classes == 4


def test_a_subset_larger_than_the_data_is_the_data(folder):
    save(folder / "own.npz", **arrays())
    assert data.load("own", train_examples=21).fingerprint == data.load("own").fingerprint


def test_a_subset_of_nothing_is_refused():
    with pytest.raises(InputError, match="train_examples is 0: give at least 1"):
        data.load("glyphs", train_examples=0)


def test_stand_ins_come_in_any_number():
    loaded = data.load("glyphs", train_examples=130, test_examples=40)
    assert loaded.stand_in and loaded.classes[:3] == ("A", "B", "C")
    np.testing.assert_array_equal(loaded.x_train, glyphs.generate("glyphs", "train", 130)[0])
    np.testing.assert_array_equal(loaded.y_test, glyphs.generate("glyphs", "test", 40)[1])


def test_a_data_set_is_loaded_once_and_again_when_its_file_changes(folder):
    save(folder / "own.npz", **arrays())
    first = data.load("own")
    assert data.load(str(folder / "own.npz")) is first
    save(folder / "own.npz", **arrays(train=24))
    assert len(data.load("own").x_train) == 24


def test_the_fingerprint_is_that_of_the_arrays(folder):
    members = arrays()
    save(folder / "own.npz", **members)
    loaded = data.load("own")
    digest = hashlib.sha256()
    for name in formats.ARRAYS:
        array = getattr(loaded, name).numpy()
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode() + array.tobytes())
    assert loaded.fingerprint == digest.hexdigest()[:16]
    assert loaded.to("cpu").fingerprint == loaded.fingerprint
    members["x_test"][-1, -1, -1] ^= 1
    save(folder / "other.npz", **members)
    assert data.load("other").fingerprint != loaded.fingerprint


# .npz files


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (1, 6, 5)])
def test_grey_layouts_are_one(tmp_path, shape):
    loaded = data.load(save(tmp_path / "own.npz", **arrays(shape=shape)))
    assert loaded.x_train.shape == (20, 1, 6, 5)
    np.testing.assert_array_equal(loaded.x_train.flatten(), arrays()["x_train"].ravel())


def test_colour_layouts_are_one(tmp_path):
    members = arrays(shape=(6, 5, 3))
    last = data.load(save(tmp_path / "last.npz", **members))
    members |= {name: np.moveaxis(members[name], 3, 1) for name in ("x_train", "x_test")}
    first = data.load(save(tmp_path / "first.npz", **members))
    assert last.x_train.shape == (20, 3, 6, 5)
    assert last.fingerprint == first.fingerprint


def test_floats_from_0_to_1_become_bytes(tmp_path):
    members = arrays()
    members |= {name: (members[name] / 255).astype(np.float32) for name in ("x_train", "x_test")}
    loaded = data.load(save(tmp_path / "own.npz", **members))
    np.testing.assert_array_equal(loaded.x_train[:, 0], arrays()["x_train"])


def with_value(name, index, value, dtype=None):
    def change(members):
        members[name] = members[name].astype(dtype or members[name].dtype)
        if dtype is not None:
            members[name] = members[name] / 255
        members[name][index] = value

    return change


def replaced(**changes):
    def change(members):
        members |= {name: make(members[name]) for name, make in changes.items()}

    return change


BROKEN = {
    "missing": (lambda m: m.pop("y_test"), r"holds x_train, y_train, x_test: save x_train, y_train, x_test, y_test"),
    "extra": (lambda m: m.update(z=np.zeros(1)), r"holds .*, z: save x_train"),
    "pickled": (
        replaced(y_train=lambda y: y.astype(object)),
        r"y_train is broken or not plain numbers \(Object arrays",
    ),
    "x-dimensions": (replaced(x_train=lambda x: x[0]), r"x_train in .* has shape \(6, 5\): give \(n, H, W\)"),
    "x-five": (replaced(x_test=lambda x: x[..., None, None]), r"x_test in .* has shape \(8, 6, 5, 1, 1\)"),
    "x-channels": (replaced(x_train=lambda x: x[..., None].repeat(4, 3)), r"x_train in .* channels cannot be told"),
    "x-ambiguous": (replaced(x_train=lambda x: x[:, :3, :, None]), r"x_train in .* channels cannot be told"),
    "x-integers": (replaced(x_train=lambda x: x.astype(np.int64)), r"x_train in .* has type int64: give uint8"),
    "x-text": (replaced(x_test=lambda x: x.astype("U3")), r"x_test in .* has type <U3"),
    "x-empty": (replaced(x_test=lambda x: x[:0], y_test=lambda y: y[:0]), r"x_test in .* is empty"),
    "x-sizes": (
        replaced(x_test=lambda x: x[:, 1:]),
        r"x_test in .* has images of 1x5x5 .*: give those of x_train, 1x6x5",
    ),
    "x-nan": (with_value("x_train", (3, 2, 1), np.nan, float), r"x_train in .* is nan at image 3 .*\(0, 2, 1\)"),
    "x-infinite": (with_value("x_test", (1, 0, 4), np.inf, float), r"x_test in .* is inf at image 1 .*\(0, 0, 4\)"),
    "x-range": (with_value("x_train", (2, 2, 2), 1.5, float), r"x_train in .* is 1.5 at image 2 .* outside 0 to 1"),
    "y-float": (replaced(y_train=lambda y: y.astype(float)), r"y_train in .* has type float64: give integers"),
    "y-one-hot": (
        replaced(y_test=lambda y: np.eye(4, dtype=int)[y]),
        r"y_test in .* has shape \(8, 4\): give one label",
    ),
    "y-length": (replaced(y_train=lambda y: y[:-1]), r"y_train in .* has shape \(19,\): .* shape \(20,\)"),
    "y-negative": (with_value("y_train", 7, -1), r"y_train in .* has label -1 at index 7"),
    "y-from-one": (replaced(y_train=lambda y: y + 1), r"y_train in .* up to 4 but none of class 0: number the classes"),
    "y-gap": (with_value("y_train", 5, 9), r"y_train in .* up to 9 but none of class 4"),
    "y-unseen": (with_value("y_test", 0, 4), r"y_test in .* has label 4: give labels of y_train, 0 to 3"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_array_is_named_in_one_sentence(tmp_path, case):
    change, words = BROKEN[case]
    members = arrays()
    change(members)
    path = save(tmp_path / "own.npz", **members)
    with pytest.raises(InputError, match=words) as failure:
        data.load(path)
    assert path in str(failure.value)
    assert "\n" not in str(failure.value) and str(failure.value).endswith(".")


def whole_npz():
    stream = io.BytesIO()
    np.savez(stream, **arrays())
    return stream.getvalue()


def flipped(content):
    changed = bytearray(content)
    changed[400] ^= 255
    return bytes(changed)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", whole_npz()[:-200], flipped(whole_npz()), pickle.dumps(arrays())],
    ids=["empty", "text", "truncated", "bit rot", "pickle"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path, content):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"own\.npz cannot be read.*write it anew with numpy\.savez"):
        data.load(str(path))


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_nothing_is_ever_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "own.npz", **(arrays() | {"y_train": np.array([Trap()] * 20, dtype=object)}))
    with pytest.raises(InputError):
        data.load(path)
    assert not (tmp_path / "sprung").exists()


# torchvision's sets, in tiny files of the true format

# The first label in the files, how many classes there are, and the shape of an image.
SETS = {
    "mnist": (0, 10, (1, 28, 28)),
    "emnist-letters": (1, 26, (1, 28, 28)),
    "cifar10": (0, 10, (3, 32, 32)),
    "cifar100": (0, 100, (3, 32, 32)),
    "stl10": (1, 10, (3, 96, 96)),
}
TRAIN, TEST = 52, 26  # images
# Where the unpacked files and the archives lie.
RAW = {
    "mnist": "MNIST/raw",
    "emnist-letters": "EMNIST/raw",
    "cifar10": "cifar-10-batches-bin",
    "cifar100": "cifar-100-binary",
    "stl10": "stl10_binary",
}
PACKED = RAW | {"cifar10": ".", "cifar100": ".", "stl10": "."}
CLASSES = {
    "mnist": tuple("0123456789"),
    "emnist-letters": tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": tuple(f"fine_{number}" for number in range(100)),
    "stl10": ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
}


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def upright(count, shape):
    x = np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)
    x[:, :, 0] = 255  # a bar across the top, which a transposed image has at its left
    return x


def records(x, *labels):
    """CIFAR's binary format: each image's labels, then its channels row by row."""
    return np.column_stack([*labels, x.reshape(len(x), -1)]).astype(np.uint8).tobytes()


def files_of(name):
    """The needed files of a tiny data set by name, as they are stored."""
    first, classes, shape = SETS[name]
    names = "".join(f"{title}\n" for title in CLASSES[name]).encode()
    (x, y), (x_test, y_test) = ((upright(count, shape), np.arange(count) % classes + first) for count in (TRAIN, TEST))
    if name == "cifar10":
        parts = np.split(np.arange(TRAIN), [12, 22, 32, 42])
        files = {f"data_batch_{number}.bin": records(x[part], y[part]) for number, part in enumerate(parts, start=1)}
        return files | {"test_batch.bin": records(x_test, y_test), "batches.meta.txt": names + b"\n"}
    if name == "cifar100":
        files = {"train.bin": records(x, 19 - y % 20, y), "test.bin": records(x_test, 19 - y_test % 20, y_test)}
        return files | {"fine_label_names.txt": names}
    if name == "stl10":
        arrays = {"train_X": x.swapaxes(2, 3), "train_y": y, "test_X": x_test.swapaxes(2, 3), "test_y": y_test}
        files = {f"{file}.bin": array.astype(np.uint8).tobytes() for file, array in arrays.items()}
        return files | {"class_names.txt": names}
    splits = ("train", "t10k") if name == "mnist" else (f"{name}-train", f"{name}-test")
    files = {}
    for split, images, labels in zip(splits, (x, x_test), (y, y_test), strict=True):
        images = images[:, 0] if name == "mnist" else images[:, 0].swapaxes(1, 2)
        files[f"{split}-images-idx3-ubyte"] = idx(images)
        files[f"{split}-labels-idx1-ubyte"] = idx(labels)
    return files


def tar(members):
    """A .tar.gz of members by name: bytes are a file's content, text is where a link leads."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
    return stream.getvalue()


@functools.cache  # an archive holds the time it was made
def archives_of(name):
    """What the address serves: a .tar.gz of the folder, four .gz files, or one zip of them."""
    files = files_of(name)
    if name in ("cifar10", "cifar100", "stl10"):
        archive = {"cifar10": "cifar-10", "cifar100": "cifar-100", "stl10": "stl10"}[name]
        archive += "_binary.tar.gz" if name == "stl10" else "-binary.tar.gz"
        unneeded = {"readme.html": b"no data", "unlabeled_X.bin": bytes(5000)}
        return {archive: tar({f"{RAW[name]}/{file}": content for file, content in (unneeded | files).items()})}
    packed = {f"{file}.gz": gzip.compress(content) for file, content in files.items()}
    if name == "mnist":
        return packed
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file, content in packed.items():
            archive.writestr(f"gzip/{file}", content)
    return {"gzip.zip": stream.getvalue()}


def all_archives():
    return {file: content for name in SETS for file, content in archives_of(name).items()}


@pytest.fixture
def address(monkeypatch):
    """A local server of the archives, at torchvision's address: ``served``, and how many bytes of each to ``send``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = self.server.served[self.path[1:]]
            self.server.requests.append(self.path[1:])
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            share = 0.5 if len(self.server.requests) <= self.server.cut_downloads else 1
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content[: int(len(content) * share)])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.served = all_archives()
    server.requests, server.cut_downloads = [], 0
    url = f"http://127.0.0.1:{server.server_port}/"
    md5 = {file: hashlib.md5(content).hexdigest() for file, content in server.served.items()}
    sets = import_torchvision("torchvision.datasets")
    for name, dataset, published in (
        ("cifar10", sets.CIFAR10, "cifar-10-python.tar.gz"),
        ("cifar100", sets.CIFAR100, "cifar-100-python.tar.gz"),
    ):
        monkeypatch.setattr(dataset, "url", url + published)
        spec = catalogue.DATASETS[name]
        archive = spec.download.archive[0]
        changed = dataclasses.replace(spec.download, archive=(archive, md5[archive]))
        monkeypatch.setitem(catalogue.DATASETS, name, dataclasses.replace(spec, download=changed))
    monkeypatch.setattr(sets.MNIST, "mirrors", [url])
    monkeypatch.setattr(sets.MNIST, "resources", [(file, md5[file]) for file in archives_of("mnist")])
    monkeypatch.setattr(sets.EMNIST, "url", url + "gzip.zip")
    monkeypatch.setattr(sets.EMNIST, "md5", md5["gzip.zip"])
    monkeypatch.setattr(sets.STL10, "url", url + "stl10_binary.tar.gz")
    monkeypatch.setattr(sets.STL10, "tgz_md5", md5["stl10_binary.tar.gz"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def check(loaded, name):
    _, classes, shape = SETS[name]
    np.testing.assert_array_equal(loaded.x_train, upright(TRAIN, shape))
    np.testing.assert_array_equal(loaded.x_test, upright(TEST, shape))
    np.testing.assert_array_equal(loaded.y_train, np.arange(TRAIN) % classes)
    np.testing.assert_array_equal(loaded.y_test, np.arange(TEST) % classes)
    assert (loaded.name, loaded.classes, loaded.stand_in) == (name, CLASSES[name], False)
    assert loaded.x_train.dtype == torch.uint8 and loaded.y_train.dtype == torch.int64


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_downloaded_once_upright_and_labelled_from_0(name, address, folder):
    check(data.load(name), name)
    assert contents(folder / PACKED[name]) == archives_of(name)
    asked = len(address.requests)
    data._load.cache_clear()
    check(data.load(name), name)
    assert len(address.requests) == asked == len(archives_of(name))


@pytest.mark.parametrize("name", SETS)
def test_a_truncated_download_is_fetched_anew(name, address, folder):
    address.cut_downloads = 1
    check(data.load(name), name)
    assert set(contents(folder).values()) == set(archives_of(name).values())


@pytest.mark.parametrize("name", SETS)
def test_a_download_that_stays_truncated_leaves_one_sentence_and_no_file(name, address, folder):
    address.cut_downloads = 1000
    with pytest.raises(InputError, match=rf"{name}: .*gz.* did not arrive whole .* HARDSAMPLE_DATA") as failure:
        data.load(name)
    assert str(folder) in str(failure.value) and "\n" not in str(failure.value)
    assert len(address.requests) == download.DOWNLOAD_ROUNDS
    assert not folder.exists()
    address.cut_downloads = 0
    check(data.load(name), name)


@pytest.mark.parametrize("name", SETS)
def test_a_truncated_archive_in_the_folder_is_replaced(name, address, folder):
    put(folder / PACKED[name], {file: content[: len(content) // 2] for file, content in archives_of(name).items()})
    check(data.load(name), name)
    assert contents(folder / PACKED[name]) == archives_of(name)


@pytest.mark.parametrize("name", SETS)
def test_a_wrong_file_from_the_address_is_never_kept(name, address, folder):
    file = next(iter(archives_of(name)))
    address.served[file] = tar({"of": b"another kind"})
    with pytest.raises(InputError, match=f"{name}: {file} did not arrive whole"):
        data.load(name)
    assert not folder.exists()


def test_a_failed_download_removes_only_the_folders_that_it_made(address, folder):
    folder.mkdir()
    address.cut_downloads = 1000
    for name in ("mnist", "cifar10"):
        with pytest.raises(InputError, match="did not arrive whole"):
            data.load(name)
    assert folder.is_dir() and not list(folder.iterdir())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", SETS)
def test_unpacked_files_at_hand_are_read_without_network_or_writing(name, folder, no_network):
    put(folder / RAW[name], files_of(name))
    before = contents(folder)
    check(data.load(name), name)
    assert contents(folder) == before


@pytest.mark.parametrize("name", SETS)
def test_archives_at_hand_are_read_without_network_or_writing(name, folder, no_network):
    put(folder / PACKED[name], archives_of(name))
    before = contents(folder)
    check(data.load(name), name)
    assert contents(folder) == before


def test_without_network_the_sentence_says_what_to_do(folder, no_network):
    with pytest.raises(
        InputError, match=r"emnist-letters: gzip\.zip did not .*no network here.* put the file into"
    ) as e:
        data.load("emnist-letters")
    assert str(folder / "EMNIST" / "raw") in str(e.value)


def test_a_data_folder_that_cannot_be_written_is_named(folder, address):
    folder.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=rf"mnist: .*put the file into {folder}"):
        data.load("mnist")


BLACK = np.zeros((1, 3, 32, 32))


@pytest.mark.parametrize(
    ("name", "file", "content", "words"),
    [
        ("mnist", "t10k-images-idx3-ubyte", files_of("mnist")["t10k-images-idx3-ubyte"][:-1], "is not a whole file"),
        ("mnist", "train-images-idx3-ubyte", files_of("mnist")["train-labels-idx1-ubyte"], "is not a whole file"),
        ("mnist", "train-images-idx3-ubyte", idx(np.zeros((0, 28, 28))), "is not a whole file"),
        ("mnist", "train-labels-idx1-ubyte", b"", "is not a whole file"),
        ("mnist", "train-labels-idx1-ubyte", idx(np.zeros(51)), "does not give its 52 images labels from 0 to 9"),
        ("mnist", "t10k-labels-idx1-ubyte", idx(np.full(26, 10)), "does not give its 26 images labels from 0 to 9"),
        ("emnist-letters", "emnist-letters-test-labels-idx1-ubyte", idx(np.zeros(26)), "labels from 1 to 26"),
        ("cifar10", "data_batch_3.bin", bytes(2 * 3073 - 1), "has 6145 bytes, .* records of 3073"),
        ("cifar10", "test_batch.bin", b"", "has 0 bytes, .* records of 3073"),
        ("cifar10", "data_batch_5.bin", records(BLACK, [10]), "does not give its 1 images labels from 0 to 9"),
        ("cifar10", "batches.meta.txt", b"airplane\nbird\n", "does not name 10 classes"),
        ("cifar10", "batches.meta.txt", b"bird\n" * 10, "does not name 10 classes"),
        ("cifar100", "train.bin", bytes(3073), "has 3073 bytes, .* records of 3074"),
        ("cifar100", "test.bin", records(BLACK, [0], [100]), "does not give its 1 images labels from 0 to 99"),
        ("cifar100", "fine_label_names.txt", b"\xff\n" * 99, "does not name 100 classes"),
        ("stl10", "train_X.bin", files_of("stl10")["train_X.bin"][:-1], "no whole number of records of 27648"),
        ("stl10", "train_y.bin", files_of("stl10")["train_y.bin"][:-1], "does not give its 52 images labels from 1 to"),
        ("stl10", "test_y.bin", bytes(26), "does not give its 26 images labels from 1 to 10"),
        ("stl10", "train_y.bin", bytes([11] * 52), "does not give its 52 images labels from 1 to 10"),
        ("stl10", "class_names.txt", b"", "does not name 10 classes"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else value,
)
def test_a_broken_unpacked_file_is_named(folder, no_network, name, file, content, words):
    put(folder / RAW[name], files_of(name) | {file: content})
    with pytest.raises(InputError, match=words) as failure:
        data.load(name)
    assert str(failure.value).startswith(f"{file} ") and "\n" not in str(failure.value)
    assert str(failure.value).endswith(f": delete {folder / RAW[name] / file} and run again.")


def test_a_broken_file_in_an_archive_at_hand_is_named(folder, no_network):
    files = files_of("cifar100") | {"test.bin": b"cut off"}
    put(folder, {"cifar-100-binary.tar.gz": tar({f"cifar-100-binary/{file}": files[file] for file in files})})
    with pytest.raises(InputError, match=r"test\.bin has 7 bytes, ") as failure:
        data.load("cifar100")
    assert str(failure.value).endswith(f": delete {folder / 'cifar-100-binary.tar.gz'} and run again.")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_a_folder_that_lacks_a_file_gives_way_to_the_archive(name, folder, no_network):
    put(folder, archives_of(name))
    files = files_of(name)
    files.popitem()
    put(folder / RAW[name], {file: b"cut off" for file in files})
    check(data.load(name), name)


def test_cifar_stores_channels_of_rows(folder):
    files = files_of("cifar100")
    record = np.zeros(3074, np.uint8)
    record[:2] = 19, 99
    record[2 + 1024 * 2 + 32 * 5 + 7] = 200
    put(folder / RAW["cifar100"], files | {"test.bin": record.tobytes()})
    loaded = data.load("cifar100")
    assert loaded.y_test.tolist() == [99]
    assert loaded.x_test.nonzero().tolist() == [[0, 2, 5, 7]] and loaded.x_test.max() == 200


def test_stl10_stores_channels_of_columns(folder):
    image = np.zeros(3 * 96 * 96, np.uint8)
    image[9216 * 1 + 96 * 7 + 5] = 200
    put(folder / RAW["stl10"], files_of("stl10") | {"test_X.bin": image.tobytes(), "test_y.bin": b"\x0a"})
    loaded = data.load("stl10")
    assert loaded.y_test.tolist() == [9]
    assert loaded.x_test.nonzero().tolist() == [[0, 1, 5, 7]] and loaded.x_test.max() == 200


def test_stl10_is_as_torchvision_reads_it(folder, monkeypatch):
    put(folder / RAW["stl10"], files_of("stl10"))
    source = import_torchvision("torchvision.datasets").STL10
    monkeypatch.setattr(source, "_check_integrity", lambda _: True)  # the sums are those of the whole files
    train, test = source(str(folder), "train"), source(str(folder), "test")
    loaded = data.load("stl10")
    for ours, theirs in (
        (loaded.x_train, train.data),
        (loaded.y_train, train.labels),
        (loaded.x_test, test.data),
        (loaded.y_test, test.labels),
        (loaded.classes, train.classes),
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_the_binary_version_of_cifar_has_the_host_of_torchvision(folder):
    for name, file in (("cifar10", "cifar-10-binary.tar.gz"), ("cifar100", "cifar-100-binary.tar.gz")):
        source = catalogue.DATASETS[name].download
        published = getattr(import_torchvision("torchvision.datasets"), source.dataset).url
        (archive,) = download._archives(source, folder)
        assert archive.path == folder / file
        assert archive.urls == [published.replace("python", "binary")]


def test_only_what_is_needed_is_unpacked(tmp_path, folder, address):
    (archive,) = download._archives(catalogue.DATASETS["stl10"].download, folder)
    target = tmp_path / "unpacked"
    target.mkdir()
    download._provide("stl10", archive, target)
    assert contents(target) == files_of("stl10")


def test_a_hostile_archive_writes_nothing_outside(tmp_path, folder, no_network):
    files = {f"cifar-100-binary/{file}": content for file, content in files_of("cifar100").items()}
    outside = tmp_path / "outside"
    hostile = {
        "../outside": b"up",
        str(outside): b"absolute",
        "cifar-100-binary/../../outside": b"through the folder",
        "elsewhere/train.bin": b"of another folder",
    }
    content = tar(hostile | files)
    put(folder, {"cifar-100-binary.tar.gz": content})
    check(data.load("cifar100"), "cifar100")
    assert not outside.exists()
    assert contents(folder) == {"cifar-100-binary.tar.gz": content}


@pytest.mark.parametrize("held", ["missing", "a link"])
def test_an_archive_that_lacks_a_file_is_fetched_anew_or_named(held, tmp_path, folder, address, monkeypatch):
    files = {f"stl10_binary/{file}": content for file, content in files_of("stl10").items()}
    labels = files.pop("stl10_binary/test_y.bin")
    if held == "a link":
        put(tmp_path, {"labels": labels})
        files["stl10_binary/test_y.bin"] = str(tmp_path / "labels")
    lacking = {"stl10_binary.tar.gz": tar(files)}
    put(folder, lacking)
    check(data.load("stl10"), "stl10")
    assert contents(folder) == archives_of("stl10")
    data._load.cache_clear()
    put(folder, lacking)
    address.served |= lacking
    md5 = hashlib.md5(lacking["stl10_binary.tar.gz"]).hexdigest()
    monkeypatch.setattr(import_torchvision("torchvision.datasets").STL10, "tgz_md5", md5)
    words = r"stl10_binary\.tar\.gz cannot be unpacked \(there is no stl10_binary/test_y\.bin in it\): .* run again\.$"
    with pytest.raises(InputError, match=words):
        data.load("stl10")


@pytest.mark.parametrize("name", SETS)
def test_bit_rot_in_an_archive_at_hand_is_noticed(name, folder, address):
    rotten = {file: bytearray(content) for file, content in archives_of(name).items()}
    for content in rotten.values():
        content[len(content) // 2] ^= 1
    put(folder / PACKED[name], rotten)
    check(data.load(name), name)
    assert contents(folder / PACKED[name]) == archives_of(name)


def test_a_tar_is_read_to_its_checksum(folder, address):
    rotten = bytearray(gzip.compress(gzip.decompress(archives_of("cifar10")["cifar-10-binary.tar.gz"]) + bytes(2**22)))
    rotten[-8] ^= 1
    put(folder, {"cifar-10-binary.tar.gz": rotten})
    check(data.load("cifar10"), "cifar10")
    assert contents(folder) == archives_of("cifar10")


def test_the_pickles_of_cifar_are_not_touched(folder, no_network, monkeypatch):
    sets = import_torchvision("torchvision.datasets")
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, source in (("cifar10", sets.CIFAR10), ("cifar100", sets.CIFAR100)):
        files = [file for file, _ in (*source.train_list, *source.test_list)]
        put(folder / source.base_folder, {file: pickle.dumps(Trap()) for file in (*files, source.meta["filename"])})
        before = contents(folder)
        with pytest.raises(InputError, match=f"{name}: .*-binary.tar.gz did not arrive whole") as failure:
            data.load(name)
        assert f"{folder / source.base_folder} is not read, since a pickle may run any code" in str(failure.value)
        assert f"put {catalogue.DATASETS[name].download.archive[0]} of the makers' page into" in str(failure.value)
        assert str(failure.value).endswith(").")
        put(folder / RAW[name], files_of(name))
        check(data.load(name), name)
        assert before.items() <= contents(folder).items()
    assert not (folder / "sprung").exists()


def test_a_file_in_the_data_folder_goes_before_the_download(folder, no_network, monkeypatch):
    members = arrays(shape=(28, 28, 1))
    known_as(monkeypatch, "mnist", members)
    save(folder / "mnist.npz", **members)
    assert data.load("mnist").num_classes == 4


@pytest.mark.slow
def test_torchvision_is_imported_only_for_its_own_sets(tmp_path):
    path = save(tmp_path / "own.npz", **arrays())
    code = (
        "import sys; from hardsample.data import dataset as data;"
        "data.load('glyphs', train_examples=1, test_examples=1);"
        f"data.load({path!r}); assert not {{'torchvision', 'pandas', 'distributed'}} & set(sys.modules);"
        "from hardsample.data.torchvision_compat import import_torchvision;"
        "import_torchvision(); assert sys.modules['torchvision'].models.resnet18"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


WHITE = {"x_train": (3, 2, 1), "x_test": (1, 0, 4)}


@pytest.mark.parametrize("highest", [1, 15, 16, 100, 127])
@pytest.mark.parametrize("name", ["x_train", "x_test"])
def test_bytes_that_do_not_go_to_255_are_refused_with_what_they_may_be(tmp_path, name, highest):
    members = arrays()
    members[name] = np.minimum(members[name], highest).astype(np.uint8)
    path = save(tmp_path / "own.npz", **members)
    with pytest.raises(InputError, match=rf"{name} in .* has no byte above {highest}, and white is 255: if ") as e:
        data.load(path)
    assert f"multiply by 255 / {highest} and give uint8" in str(e.value)
    members[name][WHITE[name]] = 128
    assert data.load(save(tmp_path / "bright.npz", **members)).num_classes == 4


def test_floats_that_were_divided_twice_are_refused(tmp_path):
    members = arrays()
    members |= {name: members[name] / 255 / 255 for name in ("x_train", "x_test")}
    with pytest.raises(InputError, match=r"x_train in .* has no byte above 1, and white is 255"):
        data.load(save(tmp_path / "own.npz", **members))


def test_images_of_one_value_each_are_refused(tmp_path):
    members = arrays()
    members["x_train"] = np.repeat(np.arange(236, 256, dtype=np.uint8), 30).reshape(20, 6, 5)
    with pytest.raises(InputError, match=r"x_train in .* has images of one value each"):
        data.load(save(tmp_path / "own.npz", **members))
    for same in (0, 200):
        with pytest.raises(InputError, match=r"x_test in .* has images of one value each"):
            data.load(save(tmp_path / "same.npz", **arrays() | {"x_test": np.full((8, 6, 5), same, np.uint8)}))
    members["x_train"][-1, 0, 0] = 3
    assert len(data.load(save(tmp_path / "mixed.npz", **members)).x_train) == 20


def test_one_class_alone_is_refused(tmp_path):
    members = arrays() | {"y_train": np.zeros(20, int), "y_test": np.zeros(8, int)}
    with pytest.raises(InputError, match=r"y_train in .* has label 0 alone: give examples of two classes or more"):
        data.load(save(tmp_path / "own.npz", **members))
    members = arrays()
    few = save(tmp_path / "few.npz", **members | {"y_test": np.full(8, 2)})
    assert len(data.load(few).y_test) == 8  # of so few examples that may be chance
    members |= {"x_test": members["x_test"].repeat(2, 0), "y_test": np.full(16, 2)}
    with pytest.raises(InputError, match=r"y_test in .* has label 2 alone, of 4 classes: shuffle the examples"):
        data.load(save(tmp_path / "sorted.npz", **members))


def test_labels_that_would_wrap_are_refused(tmp_path):
    members = arrays()
    members["y_train"] = members["y_train"].astype(np.uint64)
    members["y_train"][5] = 2**64 - 1
    with pytest.raises(InputError, match=r"y_train in .* has label 18446744073709551615 at index 5"):
        data.load(save(tmp_path / "own.npz", **members))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.dtype(">f8")])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (3, 6, 5)])
def test_blocks_give_what_the_whole_array_would(tmp_path, monkeypatch, order, dtype, shape):
    members = arrays(shape=shape)
    plain = data.load(save(tmp_path / "plain.npz", **members))
    scale = 1 if dtype == np.uint8 else 255
    members |= {name: np.asarray(members[name] / scale, dtype, order=order) for name in ("x_train", "x_test")}
    monkeypatch.setattr(formats, "BLOCK", 500)
    blocks = data.load(save(tmp_path / "blocks.npz", **members))
    assert blocks.x_train.shape == plain.x_train.shape
    assert (blocks.x_train.int() - plain.x_train.int()).abs().max() <= (1 if dtype == np.float16 else 0)


MEMORY = """
import resource, sys
from hardsample.data import formats
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(x_train, *_), _ = formats.read_npz(Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, x_train.nbytes / 2**20)
"""


@pytest.mark.slow
def test_an_archive_that_unfolds_takes_little_more_memory_than_its_bytes(tmp_path):
    """640 MB of floats, a few MB packed, are 80 MB of bytes."""
    path, shape = tmp_path / "own.npz", (80, 1024, 1024)
    block = np.zeros((1, *shape[1:]))
    block[0, 0] = 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as stream:
            header = {"descr": "<f8", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for _ in range(shape[0]):
                stream.write(block.tobytes())
        for name, array in (("y_train", np.arange(80) % 2), ("x_test", block), ("y_test", np.zeros(1, int))):
            with archive.open(f"{name}.npy", "w") as stream:
                np.save(stream, array)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, timeout=240)
    grown, result = map(float, done.stdout.split())
    assert path.stat().st_size < 4e6 and result == 80 and grown < 2.5 * result
