"""Where data, runs, figures and notebooks live, and how a file is written so that it is whole or absent."""

import errno
import hashlib
import os
import re
import time
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
    errno.EISDIR: "a folder stands where a file is needed",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long",
}
_NO_SYNC = {  # what fsync of a folder raises where the file system cannot do it
    *(errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)
}
_PATIENCE = 5.0  # seconds that a claim stands before it is taken for a killed writer's: it is held for an instant


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


def report_dir() -> Path:
    """The report and what stands beside it: HARDSAMPLE_REPORT, or ``report`` in the project."""
    return _folder("HARDSAMPLE_REPORT", "report")


def notebooks_dir() -> Path:
    """The notebooks, one a figure: ``notebooks`` in the project."""
    return project_root() / "notebooks"


def check_notebooks() -> None:
    """Raise :class:`InputError` where there are no notebooks to draw figures with: the package is installed alone."""
    if not any(notebooks_dir().rglob("*.ipynb")):
        raise InputError(f"there are no notebooks in {notebooks_dir()}: go to a checkout of the project first.")


def write_atomically(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write ``path`` so that a kill at any moment leaves it absent, as it was, or whole; folders are made.

    Without ``overwrite`` the first writer wins and a later one changes nothing.

    Raises:
        InputError: the folder cannot be written; nothing is left behind.
    """
    path = Path(path)
    temporary = _temporary(path.parent, uuid.uuid4().hex)
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
                _put(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        why = reason(error) or error.strerror
        raise InputError(
            f"cannot write {path.name} in {path.parent} ({why}): mend that, or choose another folder"
            " with HARDSAMPLE_DATA, HARDSAMPLE_RUNS, HARDSAMPLE_FIGURES or HARDSAMPLE_REPORT."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise :class:`InputError` unless files can be written in ``folder``: better now than after hours of work.

    They are written as finished runs are, and then as figures are: a file system may be able to do one alone.
    """
    probe = _temporary(folder, uuid.uuid4().hex)
    for overwrite in (False, True):
        write_atomically(probe, b"", overwrite=overwrite)
    probe.unlink()


def half_written(folder: Path, pattern: str = "*") -> list[Path]:
    """The files in ``folder``, or where ``pattern`` says below it, that are being written, or were when a kill came."""
    names = re.compile(r"\.[0-9a-f]{32}\.tmp")  # as _temporary makes them
    return sorted(path for path in folder.glob(f"{pattern}.tmp") if names.fullmatch(path.name))


def reason(error: OSError) -> str | None:
    """Why a folder cannot be written, in words; None if the error is about something else."""
    return _WHY.get(error.errno)


def _folder(variable: str, name: str) -> Path:
    value = os.environ.get(variable)
    try:
        return Path(value).expanduser().absolute() if value else project_root() / name
    except RuntimeError as error:  # there is no home folder of that user
        raise InputError(f"{variable} is {value}, and no such home folder is known: give the path in full.") from error


def _temporary(folder: Path, digits: str) -> Path:
    """A name that only this module gives, by 32 hexadecimal digits."""
    return folder / f".{digits}.tmp"


def _put(temporary: Path, path: Path) -> None:
    """Give ``path`` the content of a whole file beside it, unless there is a file already; the first writer wins."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links; what else is wrong is met again
        _claim_and_rename(temporary, path)


def _claim_and_rename(temporary: Path, path: Path) -> None:
    """Do as :func:`_put` without links: who makes the claim, a file that only one can make, renames and removes it."""
    claim = _temporary(path.parent, hashlib.sha256(path.name.encode()).hexdigest()[:32])
    seen, since = None, 0.0
    while not os.path.lexists(path):
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            held = _identity(claim)
            if held != seen:
                seen, since = held, time.monotonic()
            elif held is not None and time.monotonic() - since > _PATIENCE:
                claim.unlink(missing_ok=True)
            time.sleep(0.01)
            continue
        try:
            if not os.path.lexists(path):
                os.replace(temporary, path)
        finally:
            claim.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    """What sets a file apart from a later one of its name; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _sync_folder(folder: Path) -> None:
    """Make the new name in ``folder`` survive a power cut, as fsync does for the contents, where folders can be."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
