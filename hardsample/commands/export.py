"""`hardsample export`: stored curves as one tidy file."""

import argparse
import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hardsample import paths
from hardsample.commands import chosen
from hardsample.errors import InputError, check_choice
from hardsample.experiments.panels import variant
from hardsample.numerals import count
from hardsample.records import StoredRun, seconds_of
from hardsample.runs.standing import is_current
from hardsample.training.results import COLUMNS

FORMATS = ("csv", "parquet")


def do(options: argparse.Namespace) -> int:
    """Write a row for each evaluation of each run: whole or not at all."""
    kind, path = _target(options.format, options.out)
    encode = _csv if kind == "csv" else _parquet()
    records, _ = chosen.stored(options)
    rows = [row for record in records for row in tidy(record)]
    paths.write_atomically(path, encode(rows))
    print(f"{path}: {count(len(rows), 'evaluation')} of {count(len(records), 'run')}, {count(len(rows[0]), 'column')}")
    return 0


def tidy(record: StoredRun) -> Iterable[dict[str, Any]]:
    """A row for each evaluation: the run's key, curve and fields, how it was made, and the metrics.

    Options, and the draws of each class, are JSON. A diverged metric is NaN, and what was not measured None.
    """
    run, made = record.run, record.provenance
    fields = {name: value for name, value in run.to_dict().items() if name != "options"}
    about = {"run": run.key, "curve": variant(run)} | fields | {"options": json.dumps(dict(run.options))}
    about |= {
        "device": made.get("device"),
        "torch": made.get("versions", {}).get("torch"),
        "commit": made.get("commit"),
        "source": made.get("source"),
        "code": made.get("code"),
        "current": is_current(run, made),
        "finished": made.get("finished"),
        "seconds": seconds_of(made) if "seconds" in made else None,
        "fingerprint": made["data"]["fingerprint"],
        "stand_in": made["data"].get("stand_in"),
    }
    for row in record.rows:
        metrics = dict.fromkeys(COLUMNS) | dict(zip(record.columns, row, strict=True))
        yield about | metrics | {"draws/per-class": json.dumps(metrics["draws/per-class"])}


def _target(kind: str, out: str) -> tuple[str, Path]:
    """The format and the file that were asked for, each by the other where it was not."""
    if out and Path(out).is_dir():
        raise InputError(f"--out {out} is a folder: give the name of a file, such as {Path(out) / 'curves.csv'}.")
    ending = Path(out).suffix.strip(".")
    if not kind:
        kind = ending if ending in FORMATS or out else FORMATS[0]
        check_choice("ending of --out", kind, FORMATS)
    check_choice("format", kind, FORMATS)
    return kind, Path(out or f"curves.{kind}").absolute()


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, dict.fromkeys(itertools.chain(*rows)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def _parquet() -> Callable[[Sequence[dict[str, Any]]], bytes]:
    """What encodes rows as Parquet, once it is known to be installed."""
    import pyarrow
    from pyarrow import parquet

    def encode(rows: Sequence[dict[str, Any]]) -> bytes:
        table = pyarrow.Table.from_pylist(rows)
        empty = [field.name for field in table.schema if pyarrow.types.is_null(field.type)]
        for name in empty:  # a column of numbers all the same
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pyarrow.float64()))
        file = io.BytesIO()
        parquet.write_table(table, file)
        return file.getvalue()

    return encode
