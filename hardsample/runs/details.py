"""The file of a run's details: arrays in a compressed .npz beside its JSON, which holds the SHA-256 of it."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hardsample import paths
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.runs import files


def path(run_file: Path) -> Path:
    """Where the details of the run in that file are, or will be."""
    return run_file.with_suffix(".npz")


def encode(arrays: Mapping[str, np.ndarray], provenance: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The arrays as the bytes of an .npz, and the provenance with their SHA-256."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    content = file.getvalue()
    return content, {**provenance, "detail": _digest(content)}


def write_both(run_file: Path, run: bytes, detail: bytes) -> None:
    """Write a run's details, if there are any, and after them its record: one that is found is whole."""
    if detail:
        paths.write_atomically(path(run_file), detail)
    paths.write_atomically(run_file, run, overwrite=False)


def check(run_file: Path, run: Run, provenance: Mapping[str, Any]) -> None:
    """Refuse a run whose details are not those that its record was written with.

    Raises:
        InputError: they are missing, damaged or of another training.
    """
    if run.detail != "metrics":
        _content(path(run_file), provenance)


def read(file: Path, provenance: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays in a file of details, given the provenance of the run that they are of.

    Raises:
        InputError: they are missing, damaged or of another training.
    """
    with np.load(io.BytesIO(_content(file, provenance)), allow_pickle=False) as arrays:
        return dict(arrays)


def _content(file: Path, provenance: Mapping[str, Any]) -> bytes:
    try:
        content = files.content(file)
        if provenance.get("detail") != _digest(content):
            raise ValueError("it is not what was written with the run")
    except files.BROKEN as error:
        why = "there is none" if isinstance(error, FileNotFoundError) else files.why(error)
        raise InputError(
            f"{file} does not hold the details of its run ({why}): bring it back, or launch the run again."
        ) from error
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
