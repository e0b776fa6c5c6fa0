"""Data sets that torchvision knows: downloaded, checked, unpacked and read from their makers' files."""

import contextlib
import dataclasses
import functools
import gzip
import http.client
import logging
import os
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hardsample.data import fetching, formats
from hardsample.data.torchvision_compat import import_torchvision
from hardsample.errors import InputError
from hardsample.locks import lock

logger = logging.getLogger(__name__)

DOWNLOAD_ROUNDS = 2  # times that every mirror is asked
DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte

_SCRATCH = "hardsample-unpacked-"  # how folders for unpacked files begin
_OLD = 60.0  # seconds after which whoever made one has locked it, if it lives

# What unpacking a damaged archive, or one of another layout, can raise.
_DAMAGED = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set that torchvision knows: its class there, its folder under the data folder, the files needed.

    ``megabytes`` (of 1,000,000 bytes) are those of what is downloaded, None where that is not known.
    """

    dataset: str
    folder: str
    files: tuple[str, ...]
    read: Callable[[Path], formats.Contents]
    archive: tuple[str, str] | None = None  # name and MD5 of one in the same place that is read instead
    megabytes: int | None = None


def idx_source(dataset: str, splits: tuple[str, str], megabytes: int | None = None, **layout: Any) -> Source:
    """A data set in MNIST's format; ``layout`` are further arguments of :func:`hardsample.data.formats.read_idx`."""
    files = tuple(f"{split}-{kind}-ubyte" for split in splits for kind in ("images-idx3", "labels-idx1"))
    read = functools.partial(formats.read_idx, splits=splits, **layout)
    return Source(dataset, f"{dataset}/raw", files, read, megabytes=megabytes)


def cifar_source(
    dataset: str,
    folder: str,
    archive: tuple[str, str],
    train: tuple[str, ...],
    test: str,
    names: str,
    megabytes: int | None = None,
    **layout: int,
) -> Source:
    """A data set in CIFAR's binary format; ``layout`` as for :func:`hardsample.data.formats.read_cifar`.

    torchvision reads CIFAR from pickles, which may run any code: the binary version, ``archive``, holds the same.
    """
    read = functools.partial(formats.read_cifar, splits=(train, (test,)), names=names, **layout)
    return Source(dataset, folder, (*train, test, names), read, archive, megabytes)


@dataclasses.dataclass(frozen=True)
class _Archive:
    """A file to download, and what its members are called that hold the needed files."""

    path: Path
    md5: str
    urls: list[str]
    members: dict[str, str]
    pickles: str = ""  # what is to be said where the same data lie there as pickles


def read(name: str, source: Source, root: Path) -> formats.Contents:
    """A data set from its unpacked files under ``root``, else from its archives there, downloaded when absent.

    Raises:
        InputError: a download failed, or a file is damaged.
    """
    folder = root / source.folder
    origin = {file: folder / file for file in source.files}
    with _scratch() as scratch:
        if not all(path.is_file() for path in origin.values()):
            folder = scratch
            for archive in _archives(source, root):
                _provide(name, archive, folder)
                origin |= dict.fromkeys(archive.members, archive.path)
        try:
            return source.read(folder)
        except formats.FormatError as error:
            raise InputError(f"{error}: delete {origin[error.file]} and run again.") from error


def is_at_hand(source: Source, root: Path) -> bool:
    """Whether :func:`read` would find the unpacked files under ``root``, or archives of them, which are not opened."""
    if all((root / source.folder / file).is_file() for file in source.files):
        return True
    return root.is_dir() and all(archive.path.is_file() for archive in _archives(source, root))


def _archives(source: Source, root: Path) -> list[_Archive]:
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
    members = {file: f"{source.folder}/{file}" for file in source.files}
    return [_Archive(root / archive, md5, urls, members, _pickles(root, known, archive) if source.archive else "")]


def _pickles(root: Path, known: Any, archive: str) -> str:
    """That the pickles which torchvision would read lie there, and what to do; "" where they do not."""
    found = next((root / name for name in (known.base_folder, known.filename) if (root / name).exists()), None)
    if found is None:
        return ""
    return (
        f"{found} is not read, since a pickle may run any code: put {archive} of the makers' page into {root}, which"
        " holds the same, or an .npz file that you made of the pickles"
    )


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
    path = archive.path
    if archive.pickles:
        logger.warning("%s: %s", name, archive.pickles)
    absent = [folder for folder in path.parents if not folder.exists()]
    for url in archive.urls * DOWNLOAD_ROUNDS:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fetching.fetch(url, path, archive.md5, DOWNLOAD_TIMEOUT)
            return
        except (OSError, http.client.HTTPException) as error:
            failure = error
    with contextlib.suppress(OSError):
        for made in absent:
            made.rmdir()  # which only an empty folder allows
    raise InputError(
        f"{name}: {path.name} did not arrive whole from {' or '.join(archive.urls)} ({failure}): run again when the"
        f" network is up, put the file into {path.parent}, or let HARDSAMPLE_DATA name a folder that has it"
        f"{archive.pickles and f' ({archive.pickles})'}."
    ) from failure


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """An empty folder for a while; those that killed processes left are removed first."""
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            about = left.stat(follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and time.time() - about.st_mtime > _OLD:
                with _opened(left) as descriptor:
                    if lock(descriptor, wait=False):
                        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=place) as made, _opened(Path(made)) as descriptor:
        lock(descriptor, wait=False)
        yield Path(made)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


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
