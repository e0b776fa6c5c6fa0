"""Data sets as uint8 tensors: torchvision's, .npz files and the embedded stand-ins."""

import contextlib
import dataclasses
import functools
import gzip
import http.client
import importlib
import os
import shutil
import socket
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from hardsample import randomness
from hardsample.data import catalogue, formats, glyphs
from hardsample.errors import InputError
from hardsample.paths import data_dir
from hardsample.randomness import Stream

# What each paper itself was measured on, and what is generated in its place.
PAPER_DATA = {"base-values": ("emnist-letters",), "hard-samples": ("cifar10", "cifar100", "stl10")}
STAND_INS = {"base-values": ("glyphs",), "hard-samples": ("glyphs10-32", "glyphs100-32", "glyphs10-96")}
TESTS = {name: about.tests for name, about in catalogue.KNOWN.items()}
LABELS = {name: about.label for name, about in catalogue.KNOWN.items() if about.label}
"""What figures and tables call a data set whose name is not enough."""
DOWNLOAD_ROUNDS = 2  # times that every mirror is asked
DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte

# What unpacking a damaged archive, or one of another layout, can raise.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


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
        """:func:`hardsample.data.catalogue.fingerprint` of the four arrays."""
        return catalogue.fingerprint(tuple(getattr(self, name).cpu().numpy() for name in formats.ARRAYS))

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on ``device``."""
        return dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in formats.ARRAYS})


def names() -> tuple[str, ...]:
    """The data sets known by name; the path of an .npz file is one more."""
    return (*glyphs.RECIPES, *catalogue.KNOWN)


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
    generated to whatever size is asked for. ``<name>.npz`` in the data folder goes before a download of that name, if
    its content is known to be what the name belongs to.

    Raises:
        InputError: the name is unknown, a file is missing or malformed or has another set's name, or a download failed.
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
    if name in catalogue.KNOWN and name not in _TORCHVISION:
        raise InputError(
            f"there is no {name}.npz in {data_dir()}, and nothing to download: make it from"
            f" {catalogue.KNOWN[name].origin}, as README tells, and put it there, or let HARDSAMPLE_DATA name a folder"
            " that has it."
        )
    return _load(name, data_dir(), None, train_examples, test_examples)


def flipped(labels: torch.Tensor, classes: int, seeds: torch.Tensor, share: float) -> torch.Tensor:
    """Wrong labels for a share of the examples, chosen by each seed: int64 [N] -> int64 [S, N].

    Exactly ``round(share * N)`` labels change, each into any of the other classes with equal probability.
    """
    chosen = randomness.permutations(seeds, Stream.LABELS, 0, len(labels))[:, : round(share * len(labels))]
    away = randomness.uniforms(seeds, Stream.LABELS, 1, chosen.shape[1]).mul(classes - 1).long() + 1
    all_labels = labels.repeat(len(seeds), 1)
    return all_labels.scatter_(1, chosen, (all_labels.gather(1, chosen) + away) % classes)


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


@functools.lru_cache(maxsize=4)  # as many as the two papers have
def _load(
    name: str, path: Path, version: tuple[int, int] | None, train_examples: int | None, test_examples: int | None
) -> Dataset:
    """:func:`load` with its arguments resolved; ``version`` tells a changed file from the one that is cached."""
    counts = (train_examples, test_examples)
    if name in glyphs.RECIPES:
        pairs = [glyphs.generate(name, split, count) for split, count in zip(glyphs.SPLITS, counts, strict=True)]
        return _dataset(name, (*pairs[0], *pairs[1]), glyphs.RECIPES[name].classes, stand_in=True)
    arrays, classes = _read_npz(name, path) if version else _read(name, path)
    x_train, y_train, x_test, y_test = arrays
    train, test = _subset(len(y_train), train_examples), _subset(len(y_test), test_examples)
    return _dataset(name, (x_train[train], y_train[train], x_test[test], y_test[test]), classes, stand_in=False)


def _read_npz(name: str, path: Path) -> formats.Contents:
    """An .npz file of the name that it has, with the names of the classes that it does not hold."""
    arrays, classes = formats.read_npz(path)
    catalogue.check_npz(name, arrays)
    known = catalogue.KNOWN[name].classes if name in catalogue.KNOWN else ()
    return arrays, known if len(known) == len(classes) else classes


def _dataset(name: str, arrays: formats.Arrays, classes: tuple[str, ...], stand_in: bool) -> Dataset:
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return Dataset(name, *tensors, classes=classes, stand_in=stand_in)


def _subset(available: int, wanted: int | None) -> slice | np.ndarray:
    if wanted is None or wanted >= available:
        return slice(None)
    return np.random.Generator(np.random.Philox(0)).permutation(available)[:wanted]


def _npz_path(source: str) -> Path | None:
    """The .npz file that ``source`` stands for; None for a name that needs no such file."""
    if source.endswith(".npz") or Path(source).name != source:
        return Path(source).expanduser()
    beside = data_dir() / f"{source}.npz"
    return beside if source not in glyphs.RECIPES and beside.is_file() else None


# torchvision's


@dataclasses.dataclass(frozen=True)
class _Source:
    """A data set that torchvision knows: its class there, its folder under the data folder, the files needed."""

    dataset: str
    folder: str
    files: tuple[str, ...]
    read: Callable[[Path], formats.Contents]
    archive: tuple[str, str] | None = None  # name and MD5 of one in the same place that is read instead


@dataclasses.dataclass(frozen=True)
class _Archive:
    """A file to download, and what its members are called that hold the needed files."""

    path: Path
    md5: str
    urls: list[str]
    members: dict[str, str]


def _read(name: str, root: Path) -> formats.Contents:
    """A data set from its unpacked files under ``root``, else from its archives there, downloaded when absent."""
    source = _TORCHVISION[name]
    folder = root / source.folder
    origin = {file: folder / file for file in source.files}
    with tempfile.TemporaryDirectory() as scratch:
        if not all(path.is_file() for path in origin.values()):
            folder = Path(scratch)
            for archive in _archives(source, root):
                _provide(name, archive, folder)
                origin |= dict.fromkeys(archive.members, archive.path)
        try:
            return source.read(folder)
        except formats.FormatError as error:
            raise InputError(f"{error}: delete {origin[error.file]} and run again.") from error


def _archives(source: _Source, root: Path) -> list[_Archive]:
    """What torchvision would download to get the files, and where it would keep that."""
    known = getattr(import_torchvision("torchvision.datasets"), source.dataset)
    folder = root / source.folder
    if not hasattr(known, "url"):
        md5 = dict(known.resources)
        packed = {file: f"{file}.gz" for file in source.files}
        return [
            _Archive(folder / gz, md5[gz], [mirror + gz for mirror in known.mirrors], {file: file})
            for file, gz in packed.items()
        ]
    place, _, published = known.url.rpartition("/")
    archive, md5 = source.archive or (published, known.md5 if hasattr(known, "md5") else known.tgz_md5)
    urls = [f"{place}/{archive}"]
    if archive.endswith(".zip"):
        return [_Archive(folder / archive, md5, urls, {file: f"gzip/{file}.gz" for file in source.files})]
    return [_Archive(root / archive, md5, urls, {file: f"{source.folder}/{file}" for file in source.files})]


def _provide(name: str, archive: _Archive, target: Path) -> None:
    """Unpack ``archive`` into ``target``, after a download when it is absent or not whole."""
    unpack = _unpack_tar if archive.path.name.endswith(".tar.gz") else _unpack_gz
    try:
        unpack(archive, target)
        return
    except _DAMAGED:
        _fetch(name, archive)
    try:
        unpack(archive, target)
    except _DAMAGED as error:
        raise InputError(
            f"{archive.path} cannot be unpacked ({error}): mend that, or delete the file and run again."
        ) from error


def _fetch(name: str, archive: _Archive) -> None:
    """Download the archive beside its place, check its MD5 and move it there."""
    utils = import_torchvision("torchvision.datasets.utils")
    path = archive.path
    absent = [folder for folder in path.parents if not folder.exists()]
    for url in archive.urls * DOWNLOAD_ROUNDS:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as scratch, _socket_timeout(DOWNLOAD_TIMEOUT):
                utils.download_url(url, scratch, path.name, archive.md5)
                os.replace(Path(scratch) / path.name, path)
            return
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            failure = error
    with contextlib.suppress(OSError):
        for made in absent:
            made.rmdir()  # which only an empty folder allows
    raise InputError(
        f"{name}: {path.name} did not arrive whole from {' or '.join(archive.urls)} ({failure}): run again when the"
        f" network is up, put the file into {path.parent}, or let HARDSAMPLE_DATA name a folder that has it."
    ) from failure


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unpack_gz(archive: _Archive, target: Path) -> None:
    """Write what is needed into ``target`` from a .gz of one file, or from the zip of them that EMNIST comes as."""
    for file, member in archive.members.items():
        with contextlib.ExitStack() as stack:
            packed = stack.enter_context(open(archive.path, "rb"))
            if archive.path.suffix == ".zip":
                packed = stack.enter_context(stack.enter_context(zipfile.ZipFile(packed)).open(member))
            stream = stack.enter_context(gzip.open(packed))
            shutil.copyfileobj(stream, stack.enter_context(open(target / file, "wb")))


def _unpack_tar(archive: _Archive, target: Path) -> None:
    """Write what is needed into ``target`` from a .tar.gz, in one pass, and nothing else that it holds."""
    wanted = {member: file for file, member in archive.members.items()}
    with gzip.open(archive.path) as stream:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=2**20) as tar:
            for member in tar:
                if member.isfile() and member.name in wanted:
                    with tar.extractfile(member) as packed, open(target / wanted.pop(member.name), "wb") as file:
                        shutil.copyfileobj(packed, file)
        while stream.read(2**20):  # to the end, where the checksum is
            pass
    if wanted:
        raise ValueError(f"there is no {' and no '.join(wanted)} in it")


def _idx_source(dataset: str, splits: tuple[str, str], **layout: Any) -> _Source:
    files = tuple(f"{split}-{kind}-ubyte" for split in splits for kind in ("images-idx3", "labels-idx1"))
    read = functools.partial(formats.read_idx, splits=splits, **layout)
    return _Source(dataset, f"{dataset}/raw", files, read)


def _cifar_source(
    dataset: str, folder: str, archive: tuple[str, str], train: tuple[str, ...], test: str, names: str, **layout: int
) -> _Source:
    read = functools.partial(formats.read_cifar, splits=(train, (test,)), names=names, **layout)
    return _Source(dataset, folder, (*train, test, names), read, archive)


# torchvision reads CIFAR from pickles, which may run any code: the binary version holds the same images and labels.
_TORCHVISION = {
    "emnist-letters": _idx_source(
        "EMNIST",
        splits=("emnist-letters-train", "emnist-letters-test"),
        classes=catalogue.KNOWN["emnist-letters"].classes,
        first_label=1,
        transposed=True,
    ),
    "mnist": _idx_source("MNIST", splits=("train", "t10k"), classes=catalogue.KNOWN["mnist"].classes),
    "cifar10": _cifar_source(
        "CIFAR10",
        folder="cifar-10-batches-bin",
        archive=("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        classes=10,
        label_bytes=1,
    ),
    "cifar100": _cifar_source(
        "CIFAR100",
        folder="cifar-100-binary",
        archive=("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
        train=("train.bin",),
        test="test.bin",
        names="fine_label_names.txt",
        classes=100,
        label_bytes=2,  # the coarse one, then the fine one
    ),
    "stl10": _Source(
        "STL10",
        folder="stl10_binary",
        files=("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt"),
        read=formats.read_stl10,
    ),
}
