"""Data sets as uint8 tensors: torchvision's, .npz files and the embedded stand-ins."""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import http.client
import importlib
import os
import shutil
import socket
import string
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from hardsample import glyphs
from hardsample.errors import InputError
from hardsample.paths import data_dir

PAPER_DATA = {"base-values": "emnist-letters"}  # what each paper itself was measured on
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
DOWNLOAD_ROUNDS = 2  # times that every mirror is asked
DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte

# What reading an absent, cut off or hostile archive can raise.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a training and a test set, whole on one device.

    x_train and x_test are uint8 [N, C, H, W], y_train and y_test int64 [N] in 0 .. num_classes - 1.
    ``stand_in`` tells that the images are generated, so that whatever is drawn from them can say so.
    """

    name: str
    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    classes: tuple[str, ...]
    stand_in: bool

    @property
    def num_classes(self) -> int:
        """How many classes there are, whether or not a subset shows them all."""
        return len(self.classes)

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the four arrays: names, shapes, types and bytes."""
        digest = hashlib.sha256()
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(self, name).cpu().numpy())
            digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
            digest.update(array)
        return digest.hexdigest()[:16]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on ``device``."""
        return dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in ARRAYS})


def names() -> tuple[str, ...]:
    """The data sets known by name; the path of an .npz file is one more."""
    return (*glyphs.RECIPES, *_TORCHVISION)


def name_of(source: str) -> str:
    """The name of ``source`` in runs and files: itself, or the stem of an .npz file; nothing is read.

    Raises:
        InputError: an .npz file carries the name of a stand-in.
    """
    path = _npz_path(source)
    if path is None:
        return source
    if path.stem in glyphs.RECIPES:
        raise InputError(f"{path} carries the name of the generated data {path.stem!r}: give the file another name.")
    return path.stem


def load(source: str, *, train_examples: int | None = None, test_examples: int | None = None) -> Dataset:
    """A data set by name or from an .npz file, whole or at most so many examples of it.

    The subset of a finite set is the first part of a permutation that is the same for every run; a stand-in is
    generated to whatever size is asked for. ``<name>.npz`` in the data folder goes before a download of that name.

    Raises:
        InputError: the name is unknown, a file is missing or malformed, or a download failed.
    """
    for option, value in (("train_examples", train_examples), ("test_examples", test_examples)):
        if value is not None and value < 1:
            raise InputError(f"{option} is {value}: give at least 1, or nothing for all.")
    name, path = name_of(source), _npz_path(source)
    if path is not None:
        if not path.is_file():
            raise InputError(f"there is no file {path}: give the path of an .npz file, or one of {', '.join(names())}.")
        status = path.stat()
        return _load(name, path.resolve(), (status.st_mtime_ns, status.st_size), train_examples, test_examples)
    if name not in names():
        raise InputError(
            f"unknown data {source!r}: choose one of {', '.join(names())}, give the path of an .npz file,"
            f" or put {source}.npz into {data_dir()}."
        )
    return _load(name, data_dir(), None, train_examples, test_examples)


@functools.cache
def import_torchvision(module: str = "torchvision") -> ModuleType:
    """torchvision or a module of it, also where its compiled operators do not fit the installed torch.

    The wheel of the registry is compiled against CUDA; beside a CPU-only torch its operators are absent, and the
    import stops where it describes the two it takes for granted.
    """
    try:
        return importlib.import_module(module)
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
    for half_imported in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[half_imported]
    return importlib.import_module(module)


@functools.lru_cache(maxsize=2)
def _load(
    name: str, path: Path, version: tuple[int, int] | None, train_examples: int | None, test_examples: int | None
) -> Dataset:
    """:func:`load` with its arguments resolved; ``version`` tells a changed file from the one that is cached."""
    counts = (train_examples, test_examples)
    if name in glyphs.RECIPES:
        pairs = [glyphs.generate(name, split, count) for split, count in zip(glyphs.SPLITS, counts, strict=True)]
        return _dataset(name, (*pairs[0], *pairs[1]), glyphs.RECIPES[name].classes, stand_in=True)
    arrays, classes = _read_npz(path) if version else _TORCHVISION[name](name, path)
    x_train, y_train, x_test, y_test = arrays
    train, test = _subset(len(y_train), train_examples), _subset(len(y_test), test_examples)
    return _dataset(name, (x_train[train], y_train[train], x_test[test], y_test[test]), classes, stand_in=False)


def _dataset(name: str, arrays: Arrays, classes: tuple[str, ...], stand_in: bool) -> Dataset:
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return Dataset(name, *tensors, classes=classes, stand_in=stand_in)


def _subset(available: int, wanted: int | None) -> slice | np.ndarray:
    if wanted is None or wanted >= available:
        return slice(None)
    return np.random.Generator(np.random.Philox(0)).permutation(available)[:wanted]


# .npz files


def _npz_path(source: str) -> Path | None:
    """The .npz file that ``source`` stands for; None for a name that needs no such file."""
    if source.endswith(".npz") or Path(source).name != source:
        return Path(source).expanduser()
    beside = data_dir() / f"{source}.npz"
    return beside if source not in glyphs.RECIPES and beside.is_file() else None


def _read_npz(path: Path) -> tuple[Arrays, tuple[str, ...]]:
    """The four arrays of an .npz file, checked, and its classes "0", "1", ..."""
    members = _open_npz(path)
    x_train, x_test = (_images(path, name, members[name]) for name in ("x_train", "x_test"))
    if x_train.shape[1:] != x_test.shape[1:]:
        sizes = ["x".join(map(str, x.shape[1:])) for x in (x_train, x_test)]
        raise _fault(path, "x_test", f"has images of {sizes[1]} (C x H x W)", f"give those of x_train, {sizes[0]}")
    y_train = _labels(path, "y_train", members["y_train"], len(x_train))
    y_test = _labels(path, "y_test", members["y_test"], len(x_test))
    present = np.unique(y_train)
    absent = np.flatnonzero(present != np.arange(len(present)))
    if absent.size:
        fault = f"has labels up to {present[-1]} but none of class {absent[0]}"
        raise _fault(path, "y_train", fault, "number the classes from 0 without a gap")
    if y_test.max() > present[-1]:
        raise _fault(path, "y_test", f"has label {y_test.max()}", f"give labels of y_train, 0 to {present[-1]}")
    return (x_train, y_train, x_test, y_test), tuple(map(str, present.tolist()))


def _open_npz(path: Path) -> dict[str, np.ndarray]:
    """The members of the archive, which must be the four arrays, read without unpickling."""
    reading = "it"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [file.removesuffix(".npy") for file in archive.namelist()]
            if sorted(members) == sorted(ARRAYS):
                arrays = {}
                for reading in ARRAYS:
                    with archive.open(f"{reading}.npy") as stream:
                        arrays[reading] = np.lib.format.read_array(stream, allow_pickle=False)
                return arrays
    except _DAMAGED as error:
        raise InputError(
            f"{path} cannot be read, {reading} is broken or not plain numbers ({error}):"
            " write it anew with numpy.savez from numeric arrays."
        ) from error
    raise InputError(f"{path} holds {', '.join(members) or 'nothing'}: save {', '.join(ARRAYS)} in it, and no more.")


def _images(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """uint8 [n, C, H, W] from uint8 or floats in [0, 1] of shape (n, H, W), (n, H, W, C) or (n, C, H, W)."""
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise _fault(path, name, f"has type {x.dtype}", "give uint8 from 0 to 255 or floats from 0 to 1")
    if x.ndim not in (3, 4):
        raise _fault(path, name, f"has shape {x.shape}", "give (n, H, W), or (n, H, W, C) with 1 or 3 channels C")
    if 0 in x.shape:
        raise _fault(path, name, f"is empty, of shape {x.shape}", "give at least one image")
    if x.ndim == 3:
        x = x[:, None]
    elif (x.shape[1] in (1, 3)) == (x.shape[3] in (1, 3)):
        fault = f"has shape {x.shape}, where the channels cannot be told"
        raise _fault(path, name, fault, "give (n, H, W, C) or (n, C, H, W) with 1 or 3 channels C, and H and W larger")
    elif x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return x if x.dtype == np.uint8 else _quantised(path, name, x)


def _quantised(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    for wrong, what in ((~np.isfinite(x), "not a finite number"), ((x < 0) | (x > 1), "outside 0 to 1")):
        if wrong.any():
            index = tuple(map(int, np.unravel_index(wrong.argmax(), x.shape)))
            fault = f"is {x[index]} at image {index[0]} (channel, row, column {index[1:]}), {what}"
            raise _fault(path, name, fault, "give floats from 0 to 1, or uint8")
    return (x * 255).round().astype(np.uint8)


def _labels(path: Path, name: str, y: np.ndarray, count: int) -> np.ndarray:
    """int64 [count] from integers that are not negative."""
    if y.dtype.kind not in "iu":
        raise _fault(path, name, f"has type {y.dtype}", "give integers")
    if y.shape != (count,):
        raise _fault(path, name, f"has shape {y.shape}", f"give one label per image, shape ({count},)")
    if y.min() < 0:
        raise _fault(path, name, f"has label {y.min()} at index {y.argmin()}", "number the classes from 0")
    return y.astype(np.int64)


def _fault(path: Path, name: str, fault: str, remedy: str) -> InputError:
    return InputError(f"{name} in {path} {fault}: {remedy}.")


# torchvision


def _read_idx(
    name: str,
    root: Path,
    *,
    dataset: str,
    splits: tuple[str, str],
    classes: tuple[str, ...],
    first_label: int = 0,
    transposed: bool = False,
) -> tuple[Arrays, tuple[str, ...]]:
    """A data set in MNIST's format from torchvision's own folder of it under ``root``, downloaded when absent.

    ``dataset`` is torchvision's class, ``splits`` what its file names begin with, ``first_label`` the first class's
    label in the files; ``transposed`` files store each image's columns as rows.
    """
    source = getattr(import_torchvision("torchvision.datasets"), dataset)
    folder = root / dataset / "raw"
    files = [f"{split}-{kind}-ubyte" for split in splits for kind in ("images-idx3", "labels-idx1")]
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = folder
        if not all((folder / file).is_file() for file in files):
            unpacked = Path(scratch)
            for file in files:
                _provide(name, source, folder, file, unpacked)
        x_train, y_train, x_test, y_test = (_read_idx_file(unpacked / file) for file in files)
    images, labels = [x_train[:, None], x_test[:, None]], [y_train - first_label, y_test - first_label]
    for split, x, y in zip(splits, images, labels, strict=True):
        if len(x) != len(y) or y.min() < 0 or y.max() >= len(classes):
            raise InputError(
                f"{split}-labels-idx1-ubyte in {folder} does not label the {len(x)} images of {name} with"
                f" {len(classes)} classes: delete {folder} and run again."
            )
    if transposed:
        images = [x.swapaxes(2, 3) for x in images]
    return (images[0], labels[0], images[1], labels[1]), classes


def _provide(name: str, source: type, folder: Path, file: str, target: Path) -> None:
    """Unpack ``file`` into ``target``, after a download when what holds it is absent or not whole."""
    archive, md5, urls = _download(source, file)
    try:
        _unpack(folder / archive, file, target)
    except _DAMAGED:
        _fetch(name, folder / archive, md5, urls)
        _unpack(folder / archive, file, target)


def _download(source: type, file: str) -> tuple[str, str, list[str]]:
    """What torchvision downloads to get ``file``: the archive's name, its MD5 and the addresses that have it."""
    if hasattr(source, "url"):
        return source.url.rpartition("/")[2], source.md5, [source.url]
    archive = f"{file}.gz"
    return archive, dict(source.resources)[archive], [mirror + archive for mirror in source.mirrors]


def _fetch(name: str, path: Path, md5: str, urls: list[str]) -> None:
    """Download ``path`` beside itself, check its MD5 and move it into place."""
    utils = import_torchvision("torchvision.datasets.utils")
    for url in urls * DOWNLOAD_ROUNDS:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as scratch, _socket_timeout(DOWNLOAD_TIMEOUT):
                utils.download_url(url, scratch, path.name, md5)
                os.replace(Path(scratch) / path.name, path)
            return
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            failure = error
    with contextlib.suppress(OSError):
        for made in (path.parent, path.parent.parent):
            made.rmdir()  # which only an empty folder allows
    raise InputError(
        f"{name}: {path.name} did not arrive whole from {' or '.join(urls)} ({failure}): run again when the network"
        f" is up, put the file into {path.parent}, or let HARDSAMPLE_DATA name a folder that has it."
    ) from failure


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unpack(archive: Path, file: str, target: Path) -> None:
    """Write ``file`` into ``target`` from its own .gz archive, or from the zip of them that EMNIST comes as."""
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(open(archive, "rb"))
        if archive.suffix == ".zip":
            packed = stack.enter_context(stack.enter_context(zipfile.ZipFile(packed)).open(f"gzip/{file}.gz"))
        stream = stack.enter_context(gzip.open(packed))
        shutil.copyfileobj(stream, stack.enter_context(open(target / file, "wb")))


def _read_idx_file(path: Path) -> np.ndarray:
    reader = import_torchvision("torchvision.datasets.mnist")
    try:
        return (reader.read_image_file if "images" in path.name else reader.read_label_file)(path).numpy()
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a whole file of MNIST's format: delete it and run again.") from error


_TORCHVISION: dict[str, Callable[[str, Path], tuple[Arrays, tuple[str, ...]]]] = {
    "emnist-letters": functools.partial(
        _read_idx,
        dataset="EMNIST",
        splits=("emnist-letters-train", "emnist-letters-test"),
        classes=tuple(string.ascii_uppercase),
        first_label=1,
        transposed=True,
    ),
    "mnist": functools.partial(_read_idx, dataset="MNIST", splits=("train", "t10k"), classes=tuple(string.digits)),
}
