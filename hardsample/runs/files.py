"""What the store's files hold: a finished run as JSON, measured times as JSON, a state as .npz; checked when read."""

import hashlib
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hardsample import seals
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.records import StoredRun
from hardsample.training.results import State

BROKEN = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged file raises; a RuntimeError where JSON is nested too deeply."""

_METRICS = ("acc/train", "acc/val", "loss/train", "loss/val", "acc/choose", "acc/report")  # NaN where diverged
_json = json.JSONEncoder(allow_nan=False).encode


def without_nan(columns: Sequence[str], row: Sequence) -> list:
    """JSON has no NaN: a metric that is not finite becomes null."""
    return [
        None if column in _METRICS and not math.isfinite(value) else value
        for column, value in zip(columns, row, strict=True)
    ]


def with_nan(values: Mapping[str, Any]) -> tuple[tuple, ...]:
    """The rows of a file, checked before, with NaN where it has null for a metric."""
    metrics = [index for index, column in enumerate(values["columns"]) if column in _METRICS]
    for row in values["rows"]:
        for index in metrics:
            if row[index] is None:
                row[index] = math.nan
    return tuple(map(tuple, values["rows"]))


def check_rows(values: Mapping[str, Any]) -> None:
    """Raise ValueError unless there are ``rows``, lists of one value for each of the ``columns``, which name them."""
    rows, width = values["rows"], len(values["columns"])
    if not rows or set(map(type, values["columns"])) - {str} or {"step", "epoch"} - {*values["columns"]}:
        raise ValueError("it has no evaluations, each with its step and epoch")
    if set(map(type, rows)) - {list} or set(map(len, rows)) - {width}:
        raise ValueError(f"its rows are not {width} values each")


def check_made(provenance: Mapping[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError unless a provenance has what readers of a run ask it for."""
    seconds = provenance["seconds"]
    if not all(map(_is_duration, (seconds["wall"], *seconds.values()))):
        raise ValueError("its seconds are no numbers from 0 up")
    if type(provenance["cohort"]) is not int or provenance["cohort"] < 1:
        raise ValueError("its cohort is no whole number from 1 up")
    if type(provenance["data"]["fingerprint"]) is not str:
        raise ValueError("its data have no fingerprint")
    kinds = {"versions": dict, "plugins": dict, **dict.fromkeys(("source", "code", "commit", "device"), str)}
    for name, kind in kinds.items():
        if name in provenance and type(provenance[name]) is not kind:
            raise ValueError(f"its {name} is not as it was written")


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def content(path: Path) -> bytes:
    """What is in a file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read, or is a link that leads nowhere.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise OSError("it is a link that leads nowhere") from error
        raise


def why(error: BaseException) -> str:
    """What is wrong with a file, in words, by one of ``BROKEN``."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _beginning(run: Run) -> bytes:
    """How the file of ``run`` begins: its key and all of its fields."""
    return f'{{\n"key": {_json(run.key)},\n"run": {_json(run.to_dict())},\n'.encode()


def encode_run(record: StoredRun) -> bytes:
    """The record as JSON, one row of metrics a line, with its checksum."""
    rest = {"provenance": record.provenance, "columns": record.columns}
    lines = [f"{_json(name)}: {_json(value)}," for name, value in rest.items()]
    rows = [_json(without_nan(record.columns, row)) for row in record.rows]
    rest = "\n".join((*lines, '"rows": [', ",\n".join(rows), "]", "}", ""))
    return seals.sealed(_beginning(record.run) + rest.encode())


def read_run(path: Path, wanted: Run | None = None, checksum: str | None = None) -> tuple[Run, dict[str, Any]]:
    """The run and the values in a file, checked; where it begins as that of ``wanted`` does, it is of that run.

    ``checksum`` is that of a file that carries none, where it is kept.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not a whole record, its key is not that of its run, or it was changed since it was written.
    """
    try:
        text = content(path)
        seals.check(text, checksum)
        if wanted is not None and text.startswith(beginning := _beginning(wanted)):
            run, values = wanted, json.loads(b"{" + text[len(beginning) :])
        else:
            values = json.loads(text)
            run = Run.from_dict(values["run"])
            if values["key"] != run.key:
                raise ValueError(f"its key is {values['key']}, that of its run {run.key}")
        check_made(values["provenance"])
        check_rows(values)
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise InputError(f"{path} is no finished run ({why(error)}): delete it and launch its run again.") from error
    return run, values


def to_record(run: Run, values: Mapping[str, Any]) -> StoredRun:
    """The record of ``run``, given what :func:`read_run` found in its file."""
    return StoredRun(run, values["provenance"], tuple(values["columns"]), with_nan(values))


def timing_name(keys: Sequence[str], circumstances: Sequence[str]) -> str:
    """The name of the file that keeps the times of the runs of these keys, measured in such circumstances."""
    return f"{hashlib.sha256('-'.join((*keys, *circumstances)).encode()).hexdigest()[:16]}.timing"


def read_timing(path: Path) -> dict[str, Any]:
    """The measured times in a file, checked.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not whole, or its name is not that of its runs.
    """
    try:
        values = json.loads(content(path))
        keys, rows = values["runs"], values["rows"]
        if circumstances := values.get("circumstances"):
            width, rest, known = len(rows[0]), 0, [circumstances]
        else:
            width, (turns, rest) = 3, divmod(len(rows), len(keys))
            known = [(), (values["device"], str(turns))]
        if rest or not rows or any(len(row) != width or not _is_duration(row[-1]) for row in rows):
            raise ValueError(f"its rows are not {width} values each and as many for each of its {len(keys)} runs")
        if {type(value) for row in rows for value in row} & {list, dict}:
            raise ValueError("its rows are not of single values")
        if path.name not in [timing_name(keys, about) for about in known]:
            raise ValueError("its name is not that of its runs and its device")
        values["device"], values["threads"], values["fingerprint"]
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise InputError(f"{path} is no measurement of times ({why(error)}): delete it and measure again.") from error
    return values


def encode_state(state: State, text: str = "") -> bytes:
    """A state, and a text beside it, as the bytes of an .npz."""
    file = io.BytesIO()
    arrays = {f"state/{name}": array for name, array in state.items()}
    np.savez(file, text=np.array(text), allow_pickle=False, **arrays)
    return file.getvalue()


def decode_state(content: bytes) -> tuple[str, State]:
    """The text and the state in the bytes of an .npz."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        state = {name.removeprefix("state/"): file[name] for name in file.files if name.startswith("state/")}
        return str(file["text"]), state
