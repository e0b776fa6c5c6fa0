"""What the benchmarks say about what they measured: bounds, verdicts, tables, and the page that shows them."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as bench
from benchmarks import attempts, choosing, cohort, measure, precision, reckoning
from benchmarks.measure import Row
from hardsample import statistics
from hardsample.methods import trees
from hardsample.paths import project_root
from hardsample.training import networks
from hardsample.training.letters_cnn import LettersCNN

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


@pytest.mark.slow
def test_a_way_that_breaks_is_named(capfd):
    with pytest.raises(measure.Broken, match="'bad' broke") as raised:
        measure.in_turns({"good": sleepless, "bad": broken}, rounds=1)
    assert (raised.value.name, raised.value.why) == ("bad", "on purpose")
    assert "on purpose" in capfd.readouterr().err


@pytest.mark.slow
def test_on_a_cpu_too_a_way_that_breaks_is_left_out_and_the_rest_is_timed():
    tried = attempts.Attempts("cpu")
    seconds = tried.seconds({"bad": broken, "good": sleepless}, rounds=2, inner=3)
    assert {name: spent.shape for name, spent in seconds.items()} == {"good": (2,)}
    missing = tried.compare("it", seconds, "good", "bad", at_most=1.0)
    assert (missing.verdict, missing.sides, missing.wanted) == ("unmeasured", "bad broke: on purpose", "at most 1")


def test_a_way_of_choosing_that_breaks_costs_its_own_rows_alone(monkeypatch):
    def in_turns(makers, *, rounds, inner, starts=1):
        for name in ("torch.multinomial", "PEB"):
            if name in makers:
                raise measure.Broken(name, "no memory")
        return {name: np.full(rounds, 2.0) for name in makers}

    monkeypatch.setattr(attempts, "in_turns", in_turns)
    monkeypatch.setattr(choosing, "SIZES", {5: (2, 1)})
    passes = {row.sides.split(" 2 s")[0]: row.value for row in choosing.passes()}
    assert passes == {"torch.multinomial broke: no memory": None, "tree": 1.0}
    steps = [(row.sides == "PEB broke: no memory", row.value) for row in choosing.steps()]
    assert steps == 2 * [(False, 1.0), (True, None)]


@pytest.mark.slow
def test_ways_are_timed_in_rounds():
    seconds = measure.in_turns({"one": sleepless, "other": sleepless}, rounds=2, inner=3)
    assert {name: spent.shape for name, spent in seconds.items()} == {"one": (2,), "other": (2,)}
    assert all((spent >= 0).all() for spent in seconds.values())


def test_an_accuracy_is_kept_where_it_is_shown_to_be_and_not_where_no_difference_is():
    noise = np.linspace(-0.01, 0.01, 12)
    plain = {("MB", "float32", "acc/val"): 0.8 + noise}
    near, wide, away = (
        precision.compared("MB", "acc/val", plain | {("MB", "bf16", "acc/val"): plain["MB", "float32", "acc/val"] + by})
        for by in (0.1 * noise, 2 * noise, 0.01 + 0.1 * noise)
    )
    assert (near.verdict, wide.verdict, away.verdict) == ("yes", "**falls short**", "**falls short**")
    assert statistics.paired(2 * noise, 0 * noise).p > 0.05  # which would have been called kept before
    assert away.sides.startswith("float32 0.8000, bf16 0.8100, difference +0.0100 (90 % from +0.00")
    assert away.sides.endswith("two one-sided tests, margin 0.5 points")


def test_a_loss_has_no_margin_and_no_verdict():
    found = {("MB", "float32", "loss/val"): np.ones(12), ("MB", "bf16", "loss/val"): np.linspace(0.9, 1.1, 12)}
    row = precision.compared("MB", "loss/val", found)
    assert row.verdict == row.wanted == "" and row.value == pytest.approx(0)


def test_no_kept_result_is_judged_by_the_size_of_a_p_or_shows_that_of_no_difference():
    rows = [row for record in bench.results() for part in record["parts"].values() for row in part["rows"]]
    assert [row["what"] for row in rows if row["unit"].startswith("= p") and row["at_most"] != statistics.LEVEL] == []


@pytest.mark.parametrize("part", bench.PARTS)
def test_every_part_can_be_measured(part):
    assert callable(importlib.import_module(f"benchmarks.{part}").measure)


@pytest.mark.slow
def test_an_unknown_part_is_refused():
    done = benchmarks("stepp")
    assert done.returncode == 1
    assert done.stderr.strip() == f"unknown benchmark 'stepp': choose from {', '.join(bench.PARTS)}."


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_results_can_be_kept_elsewhere(tmp_path):
    kept = [bench.HERE / "README.md", *bench.RESULTS.iterdir()]
    before = [path.read_bytes() for path in kept]
    done = benchmarks("networks", "--out", str(tmp_path / "new" / "folder"))
    assert done.returncode == 0, done.stderr
    [path] = (tmp_path / "new" / "folder").iterdir()
    record = json.loads(path.read_text())
    assert path.stem == bench.slug(record["machine"]) and [*record["parts"]] == ["networks"]
    assert [path.read_bytes() for path in kept] == before
    assert {*kept[1:]} == {*bench.RESULTS.iterdir()}


@pytest.mark.slow
def test_a_folder_that_takes_no_results_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    done = benchmarks("networks", "--out", str(tmp_path / "file"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == (
        f"no results can be kept in {tmp_path / 'file'} (a file stands where a folder is needed): mend that, or choose"
        " another folder with --out."
    )


@pytest.mark.slow
def test_the_page_shows_every_result_and_nothing_else():
    records = bench.results()
    assert len(records) == len(list(bench.RESULTS.iterdir()))
    shown = (bench.HERE / "README.md").read_text().split(bench.MARK)[1]
    assert shown.strip() == bench.shown(records).strip()
    assert all(bench.section(record) in shown for record in records)


def test_every_result_is_of_the_parts_there_are():
    for path in bench.RESULTS.glob("*.json"):
        record = json.loads(path.read_text())
        assert "heading" in record or path.stem == bench.slug(record["machine"])
        assert record["parts"].keys() <= (bench.PARTS | record.get("titles", {})).keys()


@pytest.mark.slow
def test_the_page_says_that_the_fused_step_is_unmeasured_until_it_is_measured():
    row = {"what": "fused step", "sides": "no GPU was at hand", "value": None}
    measured = {"commit": "0123456", "versions": {}, "rows": [row]}
    record = {"heading": "A GPU", "machine": {}, "parts": {"fused": measured}}
    assert "and it is unmeasured" in bench.shown([record]) and "| unmeasured |\n" in bench.shown([record])
    row["value"] = 2.0
    assert "and it is unmeasured" not in bench.shown([record]) and "| unmeasured |\n" not in bench.shown([record])


def test_the_prototype_is_called_one_and_every_row_says_where_it_is_from():
    record = json.loads(reckoning.PROTOTYPE.read_text())
    assert "prototype" in record["heading"] and "not the package's step" in record["note"]
    assert not record["parts"].keys() & bench.PARTS.keys()
    for part in record["parts"].values():
        for row in part["rows"]:
            assert row["sides"].endswith((".log", ".json", "its page")), row
            assert row["at_least"] is None and row["at_most"] is None


def test_the_reckoning_counts_the_package_s_network():
    assert reckoning.LINEAR_1 + reckoning.rest() == networks.parameters("letters-cnn", 26)
    assert (reckoning.FANOUT, reckoning.EXAMPLES) == (trees.FANOUT, cohort.TRAIN)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        LettersCNN(26).eval()(torch.empty(5, 1, 28, 28, dtype=torch.uint8))
    forward = [kernel.operations for kernel in reckoning.evaluation(1, 5)]
    assert sum(forward) == counter.get_total_flops()


def test_a_step_multiplies_thrice_what_a_forward_pass_does_but_for_the_images_gradient():
    forward = sum(kernel.operations for kernel in reckoning.evaluation(12, 32))
    first = reckoning.step(12, 32)[1].operations  # convolution 1 has no gradient of its input
    assert sum(kernel.operations for kernel in reckoning.step(12, 32)) == 3 * forward - first


def test_the_weights_move_26_bytes_a_parameter_in_adadelta_and_2_in_the_forward_pass():
    [update] = (kernel for kernel in reckoning.step(12, 32) if kernel.name.endswith("with Adadelta"))
    activations = 12 * 32 * (2 * 9216 + 128) * 2
    assert update.bytes - activations == 26 * 12 * 9216 * 128
    assert reckoning.state_bytes(12) == 28 * 12 * networks.parameters("letters-cnn", 26)
    assert reckoning.state_bytes(1, element=4) == 32 * networks.parameters("letters-cnn", 26)
    assert all(reckoning.state_bytes(12) < sum(k.bytes for k in reckoning.step(12, n)) for n in (1, 4, 32))


def test_a_kernel_takes_what_takes_longer_its_bytes_or_its_operations():
    kernels = [reckoning.Kernel("bytes", 300, 10), reckoning.Kernel("operations", 100, 50)]
    assert reckoning.Rate("a GPU", 100.0, 10.0).seconds(kernels) == 3.0 + 5.0


def test_every_kernel_of_the_prototype_stands_beside_one_on_paper():
    [*_, whole] = lines = reckoning.kernels_table().splitlines()[2:]
    beside = [float(line.split("|")[-2]) for line in lines[:-1]]
    took = {row.what: row.value for row in reckoning.prototype()["prototype profile"]}
    alone = took["sums of shares"] + took["dropout masks"]  # in the package's other kernels
    assert sum(beside) + alone == pytest.approx(float(whole.split("|")[-2]), abs=2)
    assert whole.startswith("| **all** |") and min(beside) > 0


def test_the_expected_minutes_are_those_of_the_projection_and_the_process():
    seconds = reckoning.prototype_seconds()
    found = reckoning.minutes(seconds)
    whole = cohort.projected(cohort.paper_a_runs(), cohort.TRAIN, seconds) + seconds["process"]
    assert sum(found.values()) == pytest.approx(float(whole) / 60)
    twice = reckoning.minutes({name: value * (2 if "n = 4" in name else 1) for name, value in seconds.items()})
    assert twice == found | {"n = 4": pytest.approx(2 * found["n = 4"])}
    assert seconds["LB, n = 32"] == seconds["PEB, n = 32"] > seconds["MB, n = 32"]
