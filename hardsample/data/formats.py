"""The formats of data files as NumPy arrays: .npz, and those that MNIST, CIFAR and STL-10 come in."""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hardsample.errors import InputError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

# What reading an absent, cut off or hostile archive can raise.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Contents = tuple[Arrays, tuple[str, ...]]  # the images and labels of both splits, and the names of the classes


class FormatError(Exception):
    """An unpacked file is not of its format: ``file`` is its name, the message says what is wrong."""

    def __init__(self, file: str, fault: str):
        super().__init__(f"{file} {fault}")
        self.file = file


def read_npz(path: Path) -> Contents:
    """The four arrays of an .npz file, checked, and its classes "0", "1", ...

    Images are uint8 [n, C, H, W], labels int64 [n], as from every reader here.

    Raises:
        InputError: the file is damaged, or an array is missing or not of its kind.
    """
    return check_arrays(str(path), _open_npz(path))


def check_arrays(where: str, members: Mapping[str, np.ndarray]) -> Contents:
    """The four arrays by name, checked and in the one layout, and their classes "0", "1", ...; as :func:`read_npz`.

    Raises:
        InputError: an array is not of its kind; ``where`` it is, the message says.
    """
    x_train, x_test = (_images(where, name, members[name]) for name in ("x_train", "x_test"))
    if x_train.shape[1:] != x_test.shape[1:]:
        sizes = ["x".join(map(str, x.shape[1:])) for x in (x_train, x_test)]
        raise _fault(where, "x_test", f"has images of {sizes[1]} (C x H x W)", f"give those of x_train, {sizes[0]}")
    y_train = _labels(where, "y_train", members["y_train"], len(x_train))
    y_test = _labels(where, "y_test", members["y_test"], len(x_test))
    present = np.unique(y_train)
    absent = np.flatnonzero(present != np.arange(len(present)))
    if absent.size:
        fault = f"has labels up to {present[-1]} but none of class {absent[0]}"
        raise _fault(where, "y_train", fault, "number the classes from 0 without a gap")
    if y_test.max() > present[-1]:
        raise _fault(where, "y_test", f"has label {y_test.max()}", f"give labels of y_train, 0 to {present[-1]}")
    return (x_train, y_train, x_test, y_test), tuple(map(str, present.tolist()))


def read_idx(
    folder: Path,
    *,
    splits: tuple[str, str],
    classes: tuple[str, ...],
    first_label: int = 0,
    transposed: bool = False,
) -> Contents:
    """The four files of MNIST's format whose names begin with ``splits``.

    ``first_label`` is the first class's label in the files; ``transposed`` files store each image's columns as rows.

    Raises:
        FormatError: a file is not whole, or its labels do not fit.
    """
    arrays = []
    for split in splits:
        x, y = (_idx(folder, f"{split}-{kind}-ubyte", axes) for kind, axes in (("images-idx3", 3), ("labels-idx1", 1)))
        arrays += [x[:, None], _targets(f"{split}-labels-idx1-ubyte", y, len(x), len(classes), first_label)]
    if transposed:
        arrays[::2] = (x.swapaxes(2, 3) for x in arrays[::2])
    return tuple(arrays), classes


def read_cifar(
    folder: Path, *, splits: tuple[tuple[str, ...], tuple[str, ...]], names: str, classes: int, label_bytes: int
) -> Contents:
    """The binary files of CIFAR: ``splits`` are those of the training and of the test set.

    An image of 3 channels, 32 rows and 32 columns follows ``label_bytes`` labels, of which the last is the class.
    ``names`` is the file that names the classes in order.

    Raises:
        FormatError: a file is not whole, or its labels or names are not those of so many classes.
    """
    arrays = []
    for files in splits:
        parts = [_records(folder, file, label_bytes + 3 * 32 * 32) for file in files]
        arrays.append(np.concatenate([part[:, label_bytes:] for part in parts]).reshape(-1, 3, 32, 32))
        labels = [
            _targets(file, part[:, label_bytes - 1], len(part), classes)
            for file, part in zip(files, parts, strict=True)
        ]
        arrays.append(np.concatenate(labels))
    return tuple(arrays), _class_names(folder, names, classes)


def read_stl10(folder: Path) -> Contents:
    """The labelled images of STL-10, which are stored column by column, with labels from 1.

    Raises:
        FormatError: a file is not whole, or its labels or names are not those of ten classes.
    """
    arrays = []
    for split in ("train", "test"):
        x = _records(folder, f"{split}_X.bin", 3 * 96 * 96).reshape(-1, 3, 96, 96).swapaxes(2, 3)
        y = _records(folder, f"{split}_y.bin", 1).ravel()
        arrays += [x, _targets(f"{split}_y.bin", y, len(x), 10, first_label=1)]
    return tuple(arrays), _class_names(folder, "class_names.txt", 10)


# .npz files


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


def _images(where: str, name: str, x: np.ndarray) -> np.ndarray:
    """uint8 [n, C, H, W] from uint8 or floats in [0, 1] of shape (n, H, W), (n, H, W, C) or (n, C, H, W)."""
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise _fault(where, name, f"has type {x.dtype}", "give uint8 from 0 to 255 or floats from 0 to 1")
    if x.ndim not in (3, 4):
        raise _fault(where, name, f"has shape {x.shape}", "give (n, H, W), or (n, H, W, C) with 1 or 3 channels C")
    if 0 in x.shape:
        raise _fault(where, name, f"is empty, of shape {x.shape}", "give at least one image")
    if x.ndim == 3:
        x = x[:, None]
    elif (x.shape[1] in (1, 3)) == (x.shape[3] in (1, 3)):
        fault = f"has shape {x.shape}, where the channels cannot be told"
        raise _fault(where, name, fault, "give (n, H, W, C) or (n, C, H, W) with 1 or 3 channels C, and H and W larger")
    elif x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return x if x.dtype == np.uint8 else _quantised(where, name, x)


def _quantised(where: str, name: str, x: np.ndarray) -> np.ndarray:
    for wrong, what in ((~np.isfinite(x), "not a finite number"), ((x < 0) | (x > 1), "outside 0 to 1")):
        if wrong.any():
            index = tuple(map(int, np.unravel_index(wrong.argmax(), x.shape)))
            fault = f"is {x[index]} at image {index[0]} (channel, row, column {index[1:]}), {what}"
            raise _fault(where, name, fault, "give floats from 0 to 1, or uint8")
    return (x * 255).round().astype(np.uint8)


def _labels(where: str, name: str, y: np.ndarray, count: int) -> np.ndarray:
    """int64 [count] from integers that are not negative."""
    if y.dtype.kind not in "iu":
        raise _fault(where, name, f"has type {y.dtype}", "give integers")
    if y.shape != (count,):
        raise _fault(where, name, f"has shape {y.shape}", f"give one label per image, shape ({count},)")
    if y.min() < 0:
        raise _fault(where, name, f"has label {y.min()} at index {y.argmin()}", "number the classes from 0")
    return y.astype(np.int64)


def _fault(where: str, name: str, fault: str, remedy: str) -> InputError:
    return InputError(f"{name} in {where} {fault}: {remedy}.")


# unpacked files of the sets known by name


def _idx(folder: Path, file: str, axes: int) -> np.ndarray:
    """uint8 of the shape that the file's header tells: 0, 0, 8 for bytes, the number of axes, and each one's length."""
    content = np.fromfile(folder / file, np.uint8)
    header, body = np.split(content, [4 + 4 * axes])
    if header[:4].tolist() == [0, 0, 8, axes] and body.size:
        shape = header[4:].view(">u4").tolist()
        if math.prod(shape) == body.size:
            return body.reshape(shape)
    raise FormatError(file, "is not a whole file of MNIST's format")


def _records(folder: Path, file: str, size: int) -> np.ndarray:
    """uint8 [n, size] from a file of nothing but records of ``size`` bytes."""
    content = np.fromfile(folder / file, np.uint8)
    if content.size == 0 or content.size % size:
        raise FormatError(file, f"has {content.size} bytes, which is no whole number of records of {size}")
    return content.reshape(-1, size)


def _targets(file: str, y: np.ndarray, images: int, classes: int, first_label: int = 0) -> np.ndarray:
    """int64 [images], from 0."""
    targets = y.astype(np.int64) - first_label
    if len(targets) != images or targets.min() < 0 or targets.max() >= classes:
        labels = f"labels from {first_label} to {first_label + classes - 1}"
        raise FormatError(file, f"does not give its {images} images {labels}")
    return targets


def _class_names(folder: Path, file: str, classes: int) -> tuple[str, ...]:
    lines = (folder / file).read_text("utf-8", errors="replace").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != classes or len(set(names)) != classes:
        raise FormatError(file, f"does not name {classes} classes, one a line")
    return names
