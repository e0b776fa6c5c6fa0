"""Where data, runs, figures and notebooks live, and how a file is written so that it is whole or absent."""

import contextlib
import errno
import os
import uuid
from pathlib import Path

from hardsample.errors import InputError

_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would exceed the size limit",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EEXIST: "a file stands where a folder is needed",
}


def package_dir() -> Path:
    """The package's own source."""
    return Path(__file__).resolve().parent


def project_root() -> Path:
    """The checkout this package belongs to; the current folder where it is installed without one."""
    root = package_dir().parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def data_dir() -> Path:
    """Downloaded and own data sets: HARDSAMPLE_DATA, or ``data`` in the project."""
    return _folder("HARDSAMPLE_DATA", "data")


def runs_dir() -> Path:
    """Finished runs: HARDSAMPLE_RUNS, or ``runs`` in the project."""
    return _folder("HARDSAMPLE_RUNS", "runs")


def figures_dir() -> Path:
    """Figures and tables: HARDSAMPLE_FIGURES, or ``figures`` in the project."""
    return _folder("HARDSAMPLE_FIGURES", "figures")


def notebooks_dir() -> Path:
    """The notebooks, one a figure: ``notebooks`` in the project."""
    return project_root() / "notebooks"


def write_atomically(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write ``path`` so that a kill at any moment leaves it absent, as it was, or whole; folders are made.

    Without ``overwrite`` the first writer wins and a later one changes nothing.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(temporary, path)
            else:
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        why = reason(error) or error.strerror
        raise InputError(
            f"cannot write {path.name} in {path.parent} ({why}): mend that, or choose another folder"
            " with HARDSAMPLE_DATA, HARDSAMPLE_RUNS or HARDSAMPLE_FIGURES."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise :class:`InputError` unless files can be written in ``folder``: better now than after hours of work."""
    probe = folder / f".{uuid.uuid4().hex}.tmp"
    write_atomically(probe, b"")
    probe.unlink()


def reason(error: OSError) -> str | None:
    """Why a folder cannot be written, in words; None if the error is about something else."""
    return _WHY.get(error.errno)


def _folder(variable: str, name: str) -> Path:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else project_root() / name


def _sync_folder(folder: Path) -> None:
    """Make the new name in ``folder`` survive a power cut, as fsync does for the file's contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
