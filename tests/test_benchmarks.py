"""What the benchmarks say about what they measured: bounds, verdicts, tables, and the page that shows them."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import __main__ as bench
from benchmarks import measure, precision
from benchmarks.measure import Row
from hardsample.paths import project_root

SECONDS = {"ours": np.array([1.0, 2.0, 4.0]) * 1e-3, "rival": np.array([3.0, 4.0, 4.0]) * 1e-3}


def test_a_ratio_above_one_is_ours_being_faster_round_by_round():
    row = measure.compare("a step", SECONDS, "ours", "rival", at_least=2.0)
    assert (row.value, row.quartiles, row.n) == (2.0, (1.5, 2.5), 3)
    assert row.sides == "ours 2 ms, rival 4 ms"
    assert (row.wanted, row.verdict) == ("at least 2", "yes")


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("a", "", 1.9, at_least=2.0), "**falls short**"),
        (Row("a", "", 1.1, at_most=1.02), "**falls short**"),
        (Row("a", "", 1.02, at_most=1.02), "yes"),
        (Row("a", "", 5.0), ""),
        (Row("a", "no GPU was at hand", at_most=1.0), "unmeasured"),
    ],
)
def test_what_falls_short_or_is_unmeasured_is_marked(row, verdict):
    assert row.verdict == verdict
    assert (verdict or "|  |") in bench.table([row])


@pytest.mark.parametrize(("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 µs")])
def test_durations_read_well(seconds, text):
    assert measure.duration(seconds) == text


def broken():
    raise ValueError("on purpose")


def sleepless():
    return lambda number: number


def test_a_way_that_breaks_is_named(capfd):
    with pytest.raises(measure.Broken, match="'bad' broke") as raised:
        measure.in_turns({"good": sleepless, "bad": broken}, rounds=1)
    assert raised.value.name == "bad"
    assert "on purpose" in capfd.readouterr().err


def test_ways_are_timed_in_rounds():
    seconds = measure.in_turns({"one": sleepless, "other": sleepless}, rounds=2, inner=3)
    assert {name: spent.shape for name, spent in seconds.items()} == {"one": (2,), "other": (2,)}
    assert all((spent >= 0).all() for spent in seconds.values())


def test_precisions_are_told_apart_where_they_differ_alike_in_every_seed():
    noise = np.linspace(-0.01, 0.01, 12)
    found = {("MB", "float32", "acc/val"): 0.8 + noise}
    same = precision.told_apart("MB", "acc/val", found | {("MB", "bf16", "acc/val"): 0.8 + noise * np.tile([1, -1], 6)})
    worse = precision.told_apart("MB", "acc/val", found | {("MB", "bf16", "acc/val"): 0.79 + noise})
    assert same.verdict == "yes"
    assert worse.value == 2 / 2**12 and worse.verdict == "**falls short**"
    assert worse.sides.startswith("float32 0.8000, bf16 0.7900, difference -0.0100")


@pytest.mark.parametrize("part", bench.PARTS)
def test_every_part_can_be_measured(part):
    assert callable(importlib.import_module(f"benchmarks.{part}").measure)


def test_an_unknown_part_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "stepp"], cwd=project_root(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"unknown benchmark 'stepp': choose from {', '.join(bench.PARTS)}."


def test_the_page_shows_every_result_and_nothing_else():
    records = [json.loads(path.read_text()) for path in sorted(bench.RESULTS.glob("*.json"))]
    assert records
    shown = (bench.HERE / "README.md").read_text().split(bench.MARK)[1]
    assert shown.strip() == "\n".join(map(bench.section, records)).strip()


def test_every_result_is_of_the_parts_there_are():
    for path in bench.RESULTS.glob("*.json"):
        record = json.loads(path.read_text())
        assert path.stem == bench.slug(record["machine"])
        assert record["parts"].keys() <= bench.PARTS.keys()
