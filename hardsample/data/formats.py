"""The formats of data files as NumPy arrays: .npz, and those that MNIST, CIFAR and STL-10 come in."""

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from hardsample.errors import InputError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
BLOCK = 1 << 24  # bytes of an array that are read and converted at once
DARK = 128  # images whose brightest pixel is below were not meant to go from 0 to 255
ENOUGH = 10  # test examples, of which some are of another class

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

    Images are uint8 [n, C, H, W], labels int64 [n], as from every reader here. They are read and made bytes in blocks,
    so that no more memory is taken than that of the result.

    Raises:
        InputError: the file is damaged, or an array is missing or not of its kind.
    """
    members = _open_npz(path)
    return _contents(str(path), *(members[name] for name in ARRAYS))


def check_arrays(where: str, members: Mapping[str, np.ndarray]) -> Contents:
    """The four arrays by name, checked and in the one layout, and their classes "0", "1", ...; as :func:`read_npz`.

    Raises:
        InputError: an array is not of its kind; ``where`` it is, the message says.
    """
    x_train, x_test = (_images(where, name, members[name]) for name in ("x_train", "x_test"))
    return _contents(where, x_train, members["y_train"], x_test, members["y_test"])


def _contents(where: str, x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> Contents:
    """Images uint8 [n, C, H, W] and labels as given: checked, the labels as int64, and their classes."""
    if x_train.shape[1:] != x_test.shape[1:]:
        sizes = ["x".join(map(str, x.shape[1:])) for x in (x_train, x_test)]
        raise _fault(where, "x_test", f"has images of {sizes[1]} (C x H x W)", f"give those of x_train, {sizes[0]}")
    for name, x in (("x_train", x_train), ("x_test", x_test)):
        check_range(where, name, x)
    y_train = _labels(where, "y_train", y_train, len(x_train))
    y_test = _labels(where, "y_test", y_test, len(x_test))
    present = np.unique(y_train)
    absent = np.flatnonzero(present != np.arange(len(present)))
    if absent.size:
        fault = f"has labels up to {present[-1]} but none of class {absent[0]}"
        raise _fault(where, "y_train", fault, "number the classes from 0 without a gap")
    if y_test.max() > present[-1]:
        raise _fault(where, "y_test", f"has label {y_test.max()}", f"give labels of y_train, 0 to {present[-1]}")
    if len(present) == 1:
        raise _fault(where, "y_train", "has label 0 alone", "give examples of two classes or more")
    if len(y_test) >= ENOUGH and y_test.min() == y_test.max():
        fault = f"has label {y_test.min()} alone, of {len(present)} classes"
        raise _fault(where, "y_test", fault, "shuffle the examples before they are split, so that it has all classes")
    return (x_train, y_train, x_test, y_test), tuple(map(str, present.tolist()))


def check_range(where: str, name: str, x: np.ndarray) -> None:
    """Raise unless bytes [n, ...] are images from 0 to 255: neither much darker nor without any contrast.

    Raises:
        InputError: no pixel reaches half of 255, as where 0 and 1, 0 to 15 or 0 to 100 was meant; or each image has one
            value alone.
    """
    highest = int(x.max())
    if 0 < highest < DARK:
        scale = "black is 0 and white is 1" if highest == 1 else f"{highest} is white"
        remedy = f"if {scale}, multiply by 255 / {highest} and give uint8, or give floats from 0 to 1"
        raise _fault(where, name, f"has no byte above {highest}, and white is 255", remedy)
    if x[0].size > 1 and all(image.min() == image.max() for image in x):
        raise _fault(where, name, "has images of one value each", "give images that show something")


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
    """The members of the archive, which must be the four arrays, read without unpickling; images in the one layout."""
    reading = "it"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [file.removesuffix(".npy") for file in archive.namelist()]
            if sorted(members) == sorted(ARRAYS):
                arrays = {}
                for reading in ARRAYS:
                    arrays[reading] = _read_member(str(path), archive, reading)
                return arrays
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{path} cannot be read, {reading} is broken or not plain numbers ({error}):"
            " write it anew with numpy.savez from numeric arrays."
        ) from error
    raise InputError(f"{path} holds {', '.join(members) or 'nothing'}: save {', '.join(ARRAYS)} in it, and no more.")


def _read_member(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Labels as they are; images as uint8 [n, C, H, W], in blocks where they lie one after another."""
    if name.startswith("x"):
        with archive.open(f"{name}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, columns_first, dtype = np.lib.format.read_array_header_1_0(stream)
                if not (columns_first or dtype.hasobject):
                    return _converted(path, name, shape, dtype, _blocks_of(stream, shape, dtype))
    with archive.open(f"{name}.npy") as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    return _images(path, name, array) if name.startswith("x") else array


def _blocks_of(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    """An array of a file, some of its rows at a time, to the end of the file, where its checksum is looked at."""
    row = math.prod(shape[1:]) * dtype.itemsize
    rows = max(1, BLOCK // max(1, row))
    for start in range(0, shape[0], rows):
        count = min(rows, shape[0] - start)
        content = stream.read(count * row)
        if len(content) < count * row:
            raise ValueError("it ends too early")
        yield np.frombuffer(content, dtype).reshape(count, *shape[1:])
    if stream.read(1):
        raise ValueError("it goes on after its end")


def _images(where: str, name: str, x: np.ndarray) -> np.ndarray:
    """:func:`_converted` of an array in memory; what is bytes already is not copied."""
    if x.dtype == np.uint8 and x.size:
        return _channels_first(x, _layout(where, name, x.shape, x.dtype))
    rows = max(1, BLOCK // max(1, x[:1].nbytes)) if x.ndim else 1
    blocks = (x[start : start + rows] for start in range(0, len(x) if x.ndim else 0, rows))
    return _converted(where, name, x.shape, x.dtype, blocks)


def _converted(
    where: str, name: str, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]
) -> np.ndarray:
    """uint8 [n, C, H, W] from uint8 or floats in [0, 1] of shape (n, H, W), (n, H, W, C) or (n, C, H, W)."""
    layout = _layout(where, name, shape, dtype)
    images, done = None, 0
    for block in blocks:
        block = _channels_first(block, layout)
        if images is None:
            images = np.empty((shape[0], *block.shape[1:]), np.uint8)
        images[done : done + len(block)] = block if dtype == np.uint8 else _quantised(where, name, block, done)
        done += len(block)
    return images


def _layout(where: str, name: str, shape: tuple[int, ...], dtype: np.dtype) -> str:
    """Where the channels are: "none", "first" or "last"."""
    if dtype != np.uint8 and dtype.kind != "f":
        raise _fault(where, name, f"has type {dtype}", "give uint8 from 0 to 255 or floats from 0 to 1")
    if len(shape) not in (3, 4):
        raise _fault(where, name, f"has shape {shape}", "give (n, H, W), or (n, H, W, C) with 1 or 3 channels C")
    if 0 in shape:
        raise _fault(where, name, f"is empty, of shape {shape}", "give at least one image")
    if len(shape) == 3:
        return "none"
    if (shape[1] in (1, 3)) == (shape[3] in (1, 3)):
        fault = f"has shape {shape}, where the channels cannot be told"
        raise _fault(where, name, fault, "give (n, H, W, C) or (n, C, H, W) with 1 or 3 channels C, and H and W larger")
    return "last" if shape[3] in (1, 3) else "first"


def _channels_first(x: np.ndarray, layout: str) -> np.ndarray:
    if layout == "none":
        return x[:, None]
    return x.transpose(0, 3, 1, 2) if layout == "last" else x


def _quantised(where: str, name: str, x: np.ndarray, first: int) -> np.ndarray:
    """Bytes of floats [m, C, H, W], whose images are those from the ``first`` on."""
    for wrong, what in ((~np.isfinite(x), "not a finite number"), ((x < 0) | (x > 1), "outside 0 to 1")):
        if wrong.any():
            index = tuple(map(int, np.unravel_index(wrong.argmax(), x.shape)))
            place = f"at image {first + index[0]} (channel, row, column {index[1:]})"
            raise _fault(where, name, f"is {x[index]} {place}, {what}", "give floats from 0 to 1, or uint8")
    return (x * 255).round().astype(np.uint8)


def _labels(where: str, name: str, y: np.ndarray, count: int) -> np.ndarray:
    """int64 [count] from integers that are not negative."""
    if y.dtype.kind not in "iu":
        raise _fault(where, name, f"has type {y.dtype}", "give integers")
    if y.shape != (count,):
        raise _fault(where, name, f"has shape {y.shape}", f"give one label per image, shape ({count},)")
    for bad, index in ((y.min(), y.argmin()), (y.max(), y.argmax())):
        if not 0 <= bad <= np.iinfo(np.int64).max:
            raise _fault(where, name, f"has label {bad} at index {index}", "number the classes from 0")
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
