import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
import torch

from hardsample import data, glyphs
from hardsample.errors import InputError


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
    for name in data.ARRAYS:
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

LABELS = {"mnist": (0, 10), "emnist-letters": (1, 26)}  # the first label in the files, and how many classes
RAW = {"mnist": "MNIST/raw", "emnist-letters": "EMNIST/raw"}


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def upright(count):
    x = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
    x[:, 0] = 255  # a bar across the top, which a transposed image has at its left
    return x


def files_of(name):
    """The idx files of a tiny data set by name, as they are stored."""
    first, classes = LABELS[name]
    splits = ("train", "t10k") if name == "mnist" else (f"{name}-train", f"{name}-test")
    files = {}
    for split, count in zip(splits, (52, 26), strict=True):
        x = upright(count)
        files[f"{split}-images-idx3-ubyte"] = idx(x if name == "mnist" else x.transpose(0, 2, 1))
        files[f"{split}-labels-idx1-ubyte"] = idx(np.arange(count) % classes + first)
    return files


@functools.cache  # an archive holds the time it was made
def archives_of(name):
    """What the address serves: four .gz files, or one zip of all of them."""
    packed = {f"{file}.gz": gzip.compress(content) for file, content in files_of(name).items()}
    if name == "mnist":
        return packed
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file, content in packed.items():
            archive.writestr(f"gzip/{file}", content)
    return {"gzip.zip": stream.getvalue()}


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
            # torchvision asks twice: for redirections, then for the file.
            share = 0.5 if len(self.server.requests) <= 2 * self.server.cut_downloads else 1
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content[: int(len(content) * share)])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.served = archives_of("mnist") | archives_of("emnist-letters")
    server.requests, server.cut_downloads = [], 0
    url = f"http://127.0.0.1:{server.server_port}/"
    md5 = {file: hashlib.md5(content).hexdigest() for file, content in server.served.items()}
    sets = data.import_torchvision("torchvision.datasets")
    monkeypatch.setattr(sets.MNIST, "mirrors", [url])
    monkeypatch.setattr(sets.MNIST, "resources", [(file, md5[file]) for file in archives_of("mnist")])
    monkeypatch.setattr(sets.EMNIST, "url", url + "gzip.zip")
    monkeypatch.setattr(sets.EMNIST, "md5", md5["gzip.zip"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def check(loaded, name):
    classes = LABELS[name][1]
    np.testing.assert_array_equal(loaded.x_train[:, 0], upright(52))
    np.testing.assert_array_equal(loaded.x_test[:, 0], upright(26))
    np.testing.assert_array_equal(loaded.y_train, np.arange(52) % classes)
    assert (loaded.name, loaded.num_classes, loaded.stand_in) == (name, classes, False)
    assert loaded.x_train.dtype == torch.uint8 and loaded.y_train.dtype == torch.int64


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", LABELS)
def test_a_set_is_downloaded_once_upright_and_labelled_from_0(name, address, folder):
    check(data.load(name), name)
    raw = folder / RAW[name]
    assert contents(raw) == archives_of(name)
    asked = len(address.requests)
    data._load.cache_clear()
    check(data.load(name), name)
    assert len(address.requests) == asked == 2 * len(archives_of(name))


def test_letters_are_named_as_letters(address):
    assert "".join(data.load("emnist-letters").classes) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert data.load("mnist").classes == tuple("0123456789")


@pytest.mark.parametrize("name", LABELS)
def test_a_truncated_download_is_fetched_anew(name, address, folder):
    address.cut_downloads = 1
    check(data.load(name), name)
    assert set(contents(folder).values()) == set(archives_of(name).values())


@pytest.mark.parametrize("name", LABELS)
def test_a_download_that_stays_truncated_leaves_one_sentence_and_no_file(name, address, folder):
    address.cut_downloads = 1000
    with pytest.raises(InputError, match=rf"{name}: .*gz.* did not arrive whole .* HARDSAMPLE_DATA") as failure:
        data.load(name)
    assert str(folder) in str(failure.value) and "\n" not in str(failure.value)
    assert len(address.requests) == 2 * data.DOWNLOAD_ROUNDS
    assert not list(folder.iterdir())
    address.cut_downloads = 0
    check(data.load(name), name)


@pytest.mark.parametrize("name", LABELS)
def test_a_truncated_archive_in_the_folder_is_replaced(name, address, folder):
    raw = folder / RAW[name]
    raw.mkdir(parents=True)
    for file, content in archives_of(name).items():
        (raw / file).write_bytes(content[: len(content) // 2])
    check(data.load(name), name)
    assert contents(raw) == archives_of(name)


def test_a_wrong_file_from_the_address_is_never_kept(address, folder):
    address.served["train-images-idx3-ubyte.gz"] = gzip.compress(idx(upright(3)))
    with pytest.raises(InputError, match="train-images-idx3-ubyte.gz did not arrive whole"):
        data.load("mnist")
    assert not list(folder.iterdir())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("files", [archives_of, files_of], ids=["packed", "unpacked"])
def test_files_at_hand_are_read_without_network_or_writing(name, files, folder, no_network):
    raw = folder / RAW[name]
    raw.mkdir(parents=True)
    for file, content in files(name).items():
        (raw / file).write_bytes(content)
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


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("t10k-images-idx3-ubyte", idx(upright(26))[:-1], r"t10k-images-idx3-ubyte is not a whole file"),
        ("train-labels-idx1-ubyte", b"", r"train-labels-idx1-ubyte is not a whole file"),
        ("train-labels-idx1-ubyte", idx(np.zeros(51)), r"train-labels-idx1-ubyte in .* does not label the 52 images"),
        ("t10k-labels-idx1-ubyte", idx(np.full(26, 10)), r"t10k-labels-idx1-ubyte in .* with 10 classes"),
    ],
    ids=["short images", "no labels", "few labels", "label range"],
)
def test_a_broken_unpacked_file_is_named(folder, no_network, file, content, words):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, whole in (files_of("mnist") | {file: content}).items():
        (raw / name).write_bytes(whole)
    with pytest.raises(InputError, match=words):
        data.load("mnist")


def test_a_file_in_the_data_folder_goes_before_the_download(folder, no_network):
    save(folder / "mnist.npz", **arrays())
    assert data.load("mnist").num_classes == 4


def test_torchvision_is_imported_only_for_its_own_sets(tmp_path):
    path = save(tmp_path / "own.npz", **arrays())
    code = (
        "import sys; from hardsample import data; data.load('glyphs', train_examples=1, test_examples=1);"
        f"data.load({path!r}); assert not {{'torchvision', 'pandas', 'distributed'}} & set(sys.modules);"
        "data.import_torchvision(); assert sys.modules['torchvision'].models.resnet18"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
