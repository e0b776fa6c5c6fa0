"""Data sets as uint8 tensors, by name or from an .npz file."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hardsample import arguments
from hardsample.data import catalogue, download, fingerprints, formats
from hardsample.data.catalogue import DATASETS, DatasetSpec
from hardsample.data.class_imbalance import check_factor, enough, keep
from hardsample.errors import InputError, did_you_mean
from hardsample.extras import explained
from hardsample.numerals import short
from hardsample.paths import data_dir


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a training and a test set, whole on one device.

    x_train and x_test are uint8 [N, C, H, W], y_train and y_test int64 [N] in 0 .. num_classes - 1.
    ``stand_in`` tells that the images are generated, so that whatever is drawn from them can say so.
    ``class_imbalance`` is what :func:`load` was asked for.

    Raises:
        InputError: a part is of another type, shape or length, or a label is of no class.
    """

    name: str
    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    classes: tuple[str, ...]
    stand_in: bool
    class_imbalance: float = 1.0

    def __post_init__(self) -> None:
        arguments.text("name", self.name, "the name of the data")
        arguments.flag("stand_in", self.stand_in)
        check_factor(self.class_imbalance)
        if not isinstance(self.classes, tuple) or not all(isinstance(one, str) for one in self.classes):
            raise InputError(f"classes are {arguments.told(self.classes)}: give a tuple of their names.")
        for part in ("train", "test"):
            self._check_part(part)
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            shapes = [list(x.shape[1:]) for x in (self.x_train, self.x_test)]
            raise InputError(f"x_train has images {shapes[0]} and x_test {shapes[1]}: give one shape, [C, H, W].")

    def _check_part(self, part: str) -> None:
        x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
        for name, given, dtype, dim in (("x", x, torch.uint8, 4), ("y", y, torch.int64, 1)):
            if not isinstance(given, torch.Tensor) or given.dtype != dtype or given.dim() != dim or not len(given):
                words = "uint8 [N, C, H, W]" if name == "x" else "int64 [N]"
                raise InputError(f"{name}_{part} is {arguments.told(given)}: give a tensor, {words}, of one or more.")
        if len(x) != len(y):
            raise InputError(f"x_{part} has {len(x)} images and y_{part} {len(y)} labels: give one label an image.")
        least, most = (end.item() for end in y.aminmax())
        if least < 0 or most >= self.num_classes:
            raise InputError(
                f"y_{part} has labels {least} to {most}: give 0 to {self.num_classes - 1}, as classes are."
            )

    def __repr__(self) -> str:
        train, test = (" x ".join(map(str, images.shape)) for images in (self.x_train, self.x_test))
        return f"Dataset({self.name}: train {train}, test {test}, {self.num_classes} classes, {self.fingerprint})"

    @property
    def num_classes(self) -> int:
        """How many classes there are, whether or not a subset shows them all."""
        return len(self.classes)

    @functools.cached_property
    def fingerprint(self) -> str:
        """:func:`hardsample.data.fingerprints.fingerprint` of the four arrays."""
        return fingerprints.fingerprint(tuple(getattr(self, name).cpu().numpy() for name in formats.ARRAYS))

    @functools.cached_property
    def pixel_moments(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels of the training images, from 0 to 1; on every device the same."""
        counts = torch.bincount(self.x_train.flatten(), minlength=256).double().cpu()
        share, values = counts / counts.sum(), torch.arange(256, dtype=torch.float64) / 255
        mean = (share * values).sum()
        return mean.item(), (share * (values - mean).square()).sum().sqrt().item()

    def check_class_imbalance(self, wanted: float) -> None:
        """Refuse a run that wants another class imbalance than the data have.

        Raises:
            InputError: says so.
        """
        if wanted != self.class_imbalance:
            raise InputError(
                f"class_imbalance of the run is {short(wanted)}, and the data {self.name!r} were loaded with"
                f" {short(self.class_imbalance)}: load them with class_imbalance={short(wanted)}."
            )

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on ``device``."""
        return dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in formats.ARRAYS})


def names() -> tuple[str, ...]:
    """The data sets known by name; the path of an .npz file is one more."""
    return tuple(DATASETS)


def is_path(source: str) -> bool:
    """Is it the path of a file, and no name?"""
    return source.endswith(".npz") or Path(source).name != source


def name_of(source: str) -> str:
    """The name of ``source`` in runs and files: itself, or the stem of an .npz file; nothing is read.

    Raises:
        InputError: an .npz file carries the name of data that no file holds.
    """
    path = _npz_path(source)
    if path is None:
        return source
    if path.stem in DATASETS and DATASETS[path.stem].made_by_code:
        raise InputError(f"{path} carries the name of the generated data {path.stem!r}: give the file another name.")
    return path.stem


@explained()
def load(
    source: str,
    *,
    train_examples: int | None = None,
    test_examples: int | None = None,
    class_imbalance: float = 1.0,
) -> Dataset:
    """A data set by name or from an .npz file, whole or at most so many examples of it.

    The subset of a finite set is the first part of a permutation that is the same for every run; a stand-in is
    generated to whatever size is asked for. With a ``class_imbalance`` above 1 the training set is the part of the
    whole one that :mod:`hardsample.data.class_imbalance` keeps. ``<name>.npz`` in the data folder goes before a
    download of that name, if its content is known to be what the name belongs to.

    Raises:
        InputError: the name is unknown, a file is missing or malformed or has another set's name, a download failed, or
            a class would keep no example.
    """
    for option, value in (("train_examples", train_examples), ("test_examples", test_examples)):
        if value is not None:
            arguments.whole(option, value, 1, "at least 1, or nothing for all")
    check_factor(class_imbalance)
    arguments.text("source", source, "the name of a data set, or the path of an .npz file")
    chosen = (train_examples, test_examples, float(class_imbalance))
    name, path = _known(source)
    if path is not None:
        status = path.stat()
        return _load(name, path.resolve(), (status.st_mtime_ns, status.st_size), *chosen)
    spec = DATASETS[name]
    if not (spec.made_by_code or spec.download):
        origin = f" from {spec.origin}, as docs/data.md tells," if spec.origin else ""
        raise InputError(
            f"there is no {name}.npz in {data_dir()}, and nothing to download: make it{origin} and put it there,"
            " or let HARDSAMPLE_DATA name a folder that has it."
        )
    return _load(name, data_dir(), None, *chosen)


@functools.lru_cache(maxsize=4)  # as many as the two papers have
def _load(
    name: str,
    path: Path,
    version: tuple[int, int] | None,
    train_examples: int | None,
    test_examples: int | None,
    factor: float,
) -> Dataset:
    """:func:`load` with its arguments resolved; ``version`` tells a changed file from the one that is cached."""
    spec = DATASETS.get(name)
    if spec and spec.generate:
        made = enough(train_examples, len(spec.classes), factor) if train_examples and factor != 1 else train_examples
        arrays, classes = (*spec.generate("train", made), *spec.generate("test", test_examples)), spec.classes
        classes = classes or tuple(map(str, range(spec.class_count or int(max(arrays[1].max(), arrays[3].max())) + 1)))
    elif version:
        arrays, classes = _read_npz(name, path)
    else:
        arrays, classes = _call(spec) if spec.load else download.read(name, spec.download, path)
    x_train, y_train, x_test, y_test = arrays
    test = _subset(len(y_test), test_examples)
    if factor == 1:
        train = _subset(len(y_train), train_examples)
    else:
        train = keep(y_train, len(classes), factor, train_examples)
    return _dataset(name, (x_train[train], y_train[train], x_test[test], y_test[test]), classes, factor)


def _read_npz(name: str, path: Path) -> formats.Contents:
    """An .npz file of the name that it has, with the names of the classes that it does not hold."""
    arrays, classes = formats.read_npz(path)
    fingerprints.check_npz(name, arrays)
    known = DATASETS[name].classes if name in DATASETS else ()
    return arrays, known if len(known) == len(classes) else classes


def _call(spec: DatasetSpec) -> formats.Contents:
    """What the function of a data set returns, checked as an .npz file is."""
    made, names = spec.load(), spec.classes
    if isinstance(made, Dataset):
        made, names = [getattr(made, array).cpu() for array in formats.ARRAYS], made.classes
    if not isinstance(made, Sequence) or len(made) != len(formats.ARRAYS):
        raise InputError(
            f"the function that loads the data {spec.name!r} returns {type(made).__name__}: return a Dataset, or the"
            f" four arrays {', '.join(formats.ARRAYS)}."
        )
    members = {array: np.asarray(values) for array, values in zip(formats.ARRAYS, made, strict=True)}
    arrays, classes = formats.check_arrays(f"the data {spec.name!r}", members)
    if names and len(names) != len(classes):
        raise InputError(
            f"the data {spec.name!r} name {len(names)} classes, and the training labels have {len(classes)}: give as"
            " many names, or none."
        )
    return arrays, tuple(names) or classes


def _dataset(name: str, arrays: formats.Arrays, classes: tuple[str, ...], factor: float) -> Dataset:
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return Dataset(name, *tensors, classes, catalogue.is_stand_in(name), factor)


def _subset(available: int, wanted: int | None) -> slice | np.ndarray:
    if wanted is None or wanted >= available:
        return slice(None)
    return np.random.Generator(np.random.Philox(0)).permutation(available)[:wanted]


def how_at_hand(source: str) -> tuple[str, int | None]:
    """Where the data would come from, in a word, and how many megabytes must be downloaded (None: not known).

    "generated" or "made" (by a function), "at hand" in files, "to download", or "to prepare" by hand. Nothing is read.

    Raises:
        InputError: the name is unknown, or there is no such file.
    """
    name, path = _known(source)
    if path is not None:
        return "at hand", 0
    spec = DATASETS[name]
    if spec.made_by_code:
        return ("generated" if spec.generate else "made"), 0
    if spec.download is None:
        return "to prepare", 0
    if download.is_at_hand(spec.download, data_dir()):
        return "at hand", 0
    return "to download", spec.download.megabytes


def _known(source: str) -> tuple[str, Path | None]:
    """The name of the data, and the .npz file that they are in, if they are in one."""
    name, path = name_of(source), _npz_path(source)
    if path is not None and not path.is_file():
        raise InputError(f"there is no file {path}: give the path of an .npz file, or one of {', '.join(names())}.")
    if path is None and name not in DATASETS:
        raise InputError(
            f"unknown data {source!r}{did_you_mean(source, names())}: choose one of {', '.join(names())}, give the path"
            f" of an .npz file, or put {source}.npz into {data_dir()}."
        )
    return name, path


def _npz_path(source: str) -> Path | None:
    """The .npz file that ``source`` stands for; None for a name that needs no such file."""
    if is_path(source):
        return Path(source).expanduser()
    beside = data_dir() / f"{source}.npz"
    made_by_code = source in DATASETS and DATASETS[source].made_by_code
    return beside if not made_by_code and beside.is_file() else None
