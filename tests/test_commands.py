"""What the commands say of what is stored: listed, shown, compared, exported, cleaned; and what a launch would take."""

import csv
import dataclasses
import json
import math
import os
import sys
import time

import pytest

from hardsample import cli
from hardsample.commands import chosen
from hardsample.config import Run
from hardsample.data import catalogue
from hardsample.experiments import registry
from hardsample.records import stem
from hardsample.runs import launch, pace, prepare
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS, TrainingResult

FIGURE = ("--figure", "base-values/figure-1", "--profile", "smoke")


def made(seconds: float = 24.0, **more) -> dict:
    data = {"name": "glyphs", "fingerprint": "0" * 16, "stand_in": True, "classes": 26}
    return {"data": data, "seconds": {"wall": seconds}, "cohort": 2, "device": "a CPU", "threads": 1} | more


def rows(*accuracies: float) -> tuple[tuple, ...]:
    values = dict.fromkeys(COLUMNS) | dict.fromkeys(
        ("acc/train", "loss/train", "loss/val", "acc/choose", "acc/report"), 0.5
    )
    return tuple(
        tuple((values | {"step": 10 * number, "epoch": float(number), "acc/val": accuracy}).values())
        for number, accuracy in enumerate(accuracies)
    )


def store(run: Run, *accuracies: float, **more) -> Run:
    Store().write(run, TrainingResult(COLUMNS, rows(*accuracies), {}, None), made(**more))
    return run


def told(capsys, *arguments: str, status: int = 0) -> str:
    assert cli.main(list(arguments)) == status
    output, error = capsys.readouterr()
    assert (error == "") == (status == 0)
    return output or error


@pytest.fixture
def figure():
    """The first figure with all of its runs but one stored."""
    experiment = registry.grid("base-values/figure-1", profile="smoke")
    for run in experiment.runs[1:]:
        store(run, 0.25, 0.5)
    return experiment


def test_list_says_what_is_needed_stored_and_left(figure, capsys):
    lines = told(capsys, "list", *FIGURE).splitlines()
    assert lines[0].split() == ["output", "what", "it", "shows", "needs", "stored", "minutes", "to", "do", "data"]
    count = len(figure.runs)
    about = [f"{count} runs", str(count - 1), f"{(count - 1) * 0.2:.1f}", "0.2"]
    assert [part.strip() for part in lines[1].split("  ") if part] == [figure.name, figure.title, *about, figure.data]
    assert lines[2].split()[:1] == ["all"] and f"data     {figure.data}: generated" in lines


def test_list_tells_of_every_output_and_of_what_must_be_downloaded(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_DATA", str(tmp_path / "none"))
    output = told(capsys, "list", "--profile", "paper", "--figure", "hard-samples")
    lines = output.splitlines()
    names = registry.papers()["hard-samples"]
    assert tuple(line.split()[0] for line in lines[1 : 1 + len(names)]) == names
    assert "data     stl10: to download, 2,640 MB" in lines
    assert next(line for line in lines if "/table-2" in line).split()[-1] == "-"
    assert not (tmp_path / "none").exists()


def test_every_download_has_a_size():
    assert all(spec.download.megabytes for spec in catalogue.DATASETS.values() if spec.download)


def test_the_pace_of_stored_runs_tells_that_of_missing_ones():
    run = Run("glyphs", "PEB", 1, epochs=4.0)
    done = {run: made(8.0), dataclasses.replace(run, seed=2): made(16.0)}
    other = dataclasses.replace(run, method="MB", epochs=8.0)
    asked = [dataclasses.replace(run, seed=3), other, dataclasses.replace(run, batch_size=8)]
    assert pace.expected_seconds(asked, done) == {asked[0]: 6.0, other: 12.0}


def test_show_finds_a_run_by_its_key_its_beginning_and_its_file(figure, capsys):
    run = figure.runs[1]
    by_key = told(capsys, "show", run.key)
    for name in (run.key[:12], stem(run), str(Store().path(run))):
        assert told(capsys, "show", name) == by_key
    assert f"key   {run.key}" in by_key and "base-values/figure-1 (smoke)" in by_key
    assert "a CPU" in by_key and "0.2500" in by_key and "0.5000" in by_key


def test_show_says_what_diverged(capsys):
    run = store(Run("glyphs", "MB", 1, epochs=3.0), 0.5, math.nan)
    output = told(capsys, "show", run.key)
    assert "by no figure or table" in output and output.splitlines()[-1].split()[3] == "diverged"


def test_a_run_that_is_not_there_and_a_beginning_of_many_are_one_sentence(figure, capsys):
    key = figure.runs[1].key
    wrong = ("0" if key[0] != "0" else "1") + key[1:]
    sentence = told(capsys, "show", wrong, status=2)
    assert f"did you mean {key}?" in sentence and sentence.count("\n") == 1
    sentence = told(capsys, "compare-runs", f"{figure.data}-", key, status=2)
    assert f"begins {len(figure.runs) - 1} stored runs" in sentence and sentence.count("\n") == 1


def test_compare_runs_says_what_differs_and_where_from(capsys):
    one = store(Run("glyphs", "PEB", 1), 0.25, 0.5, 0.75)
    other = store(Run("glyphs", "PEB", 2), 0.25, 0.5, 0.5, device="a GPU")
    output = told(capsys, "compare-runs", one.key, other.key)
    lines = [line.split() for line in output.splitlines()]
    assert ["seed", "1", "2"] in lines and "a GPU" in output and "threads" not in output
    assert "they differ from epoch 2 on" in output
    assert ["2", "0.7500", "0.5000", "-0.2500"] in lines and ["2", "0.5000", "0.5000", "0"] in lines


def test_compare_runs_says_what_is_the_same_bit_for_bit(capsys):
    keys = [store(Run("glyphs", method, 1), 0.25, math.nan).key for method in ("MB", "PEB")]
    output = told(capsys, "compare-runs", *keys)
    assert "the same in all 2 evaluations, bit for bit" in output and "the same\n" in output


def test_export_has_a_row_for_every_evaluation_and_loses_nothing(figure, capsys, tmp_path):
    other = store(Run("glyphs", "HMB", 1, options={"delta": 0.5}), 0.1, math.nan)
    path = tmp_path / "all.csv"
    told(capsys, "export", "--out", str(path))
    table = list(csv.DictReader(path.open()))
    assert len(table) == 2 * len(figure.runs)
    assert len({(row["run"], row["step"]) for row in table}) == len(table)
    first, last = [row for row in table if row["run"] == other.key]
    assert (first["method"], json.loads(first["options"]), first["curve"]) == ("HMB", {"delta": 0.5}, "δ = 0.5")
    assert float(first["acc/val"]) == 0.1 and last["acc/val"] == "nan" and last["forwards"] == ""
    assert {field.name for field in dataclasses.fields(Run)} <= first.keys() and first["device"] == "a CPU"
    told(capsys, "export", *FIGURE, "--out", str(path))
    assert {row["run"] for row in csv.DictReader(path.open())} == {run.key for run in figure.runs[1:]}


def test_what_export_cannot_write_is_one_sentence_and_leaves_nothing(figure, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    before = sorted(tmp_path.iterdir())
    for arguments, word in (
        (["--format", "parquet"], "pip install 'hardsample[parquet]'"),
        (["--format", "cvs"], "did you mean csv?"),
        (["--out", "curves.xls"], "'xls'"),
        (["--out", str(tmp_path)], "is a folder"),
        (["--figure", "table-3"], "nothing of it is stored"),
    ):
        sentence = told(capsys, "export", *arguments, status=2)
        assert word in sentence and sentence.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_export_as_parquet(figure, capsys, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "all.parquet"
    told(capsys, "export", "--out", str(path))
    table = parquet.read_table(path)
    assert table.num_rows == 2 * (len(figure.runs) - 1) and str(table.schema.field("batches/val").type) == "double"


def test_clean_removes_leftovers_and_no_finished_run(figure, capsys, tmp_path):
    root, records = Store().root, len(Store().records())
    (root / "checkpoints").mkdir()
    broken = Store().path(figure.runs[-1]).with_suffix(".json.broken")
    old, young = root / f".{'1' * 32}.tmp", root / f".{'2' * 32}.tmp"
    leftovers = [root / "checkpoints" / f"{'0' * 16}.npz", broken, old]
    for path in (*leftovers, young):
        path.write_bytes(b"0" * 1000)
    os.utime(old, (time.time() - 7200,) * 2)
    assert "3 files, 3 kB would be freed" in told(capsys, "clean", "--dry-run")
    assert all(path.exists() for path in leftovers)
    output = told(capsys, "clean")
    assert "3 files, 3 kB freed" in output and "half-written files younger than an hour stay, 1 of them" in output
    assert not any(path.exists() for path in leftovers) and young.exists()
    assert len(Store().records()) == records and "0 files" in told(capsys, "clean")


@pytest.mark.parametrize("command", ["run", "reproduce"])
def test_a_dry_run_says_what_is_missing_and_does_nothing(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "launch", None)
    monkeypatch.setattr(prepare.worker, "probe", lambda cohort, *_: 3.0 * len(cohort))
    output = told(capsys, command, *FIGURE, "--dry-run", "--workers", "2")
    experiment = registry.grid("base-values/figure-1", profile="smoke")
    count = len(experiment.runs)
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert any(line.startswith(f"base-values/figure-1 {count} {count} 0 ") for line in lines)
    why = f"{count} missing, 0 stored but of other code"
    assert f"to do {count} runs ({why}), and 2 pre-trainings before them" in lines
    assert any(line.startswith("time about ") and "an estimate" in line for line in lines)
    assert any(line.startswith("disk about ") for line in lines) and f"data {experiment.data}: generated" in lines
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_downloads_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_DATA", str(tmp_path / "data"))
    output = told(capsys, "run", "--dry-run", "--profile", "paper", "--figure", "table-3")
    assert "data     cifar10: to download, 170 MB" in output and "the data are not at hand" in output
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_unknown_data_is_refused(capsys):
    assert "did you mean glyphs?" in told(capsys, "run", "--dry-run", *FIGURE, "--data", "glyph", status=2)


def test_notebooks_are_told_what_was_said_and_those_that_train_nothing_no_changes_of_runs():
    options = cli._parse(["figures", "--profile", "smoke", "--epochs", "3"])
    told = {
        each.name: chosen.parameters(options, each, compute=False)
        for each in (registry.grid(name, profile="smoke") for name in ("hard-samples/figure-2", "base-values/figure-1"))
    }
    common = {"profile": "smoke", "data": "auto", "precision": "auto", "protocol": "sound", "compute": False}
    assert told["hard-samples/figure-2"] == common
    assert told["base-values/figure-1"] == common | {"epochs": 3.0}
