"""What is drawn again, and what is not; the table of final accuracies, and what is shipped."""

import math
import re

import pandas as pd
import pytest
from committed import store_of_committed, tracked
from pool_here import PoolHere
from synthetic import hard_curves

from hardsample import cli, paths
from hardsample.commands import chosen, drawing, reproduce, stamps
from hardsample.experiments import registry, spread
from hardsample.experiments.shipped import SHIPPED, shipped
from hardsample.report import figures, summary, tables
from hardsample.runs.launch import LaunchReport
from hardsample.runs.store import Store

NAME = "hard-samples/table-2"  # which needs no run


@pytest.fixture
def drawn(monkeypatch):
    """Notebooks that write a file each, in this process; the names of those that were run."""
    names = []

    def draw(name, parameters, output, plugins):
        stem = figures.stem(registry.grid(name, profile=parameters["profile"]))
        paths.write_atomically(stem.with_suffix(".csv"), b"network\n")
        paths.write_atomically(stem.with_suffix(".md"), b"| network |\n| --- |\n| a < b |\n")
        names.append(name)

    monkeypatch.setattr(drawing, "_draw", draw)
    monkeypatch.setattr(drawing, "_warm", lambda: None)
    monkeypatch.setattr(drawing, "Pool", PoolHere)
    return names


def once(name=NAME, profile="smoke"):
    with drawing.Drawing() as drawn:
        drawn.draw([(registry.grid(name, profile=profile), {"profile": profile, "compute": False})])
    return drawn


def test_only_what_changed_is_drawn_again(drawn, monkeypatch):
    first, second = once(), once()
    assert (first.drawn, first.unchanged, second.drawn, second.unchanged) == (1, 0, 1, 1) and drawn == [NAME]
    file = figures.stem(registry.grid(NAME)).with_suffix(".md")
    file.write_text("changed by hand")
    assert once().unchanged == 0 and file.read_text() != "changed by hand"
    file.unlink()
    assert once().unchanged == 0 and file.exists()
    assert once(profile="quick").unchanged == 0  # another knob
    monkeypatch.setattr(stamps, "_code", lambda: "another version of the package")
    assert once(profile="quick").unchanged == 0
    assert once(profile="quick").unchanged == 1


def test_a_run_more_or_less_draws_a_figure_again(monkeypatch, tmp_path):
    experiment = registry.grid("base-values/figure-1", profile="smoke")
    known = stamps.inputs(experiment, {"profile": "smoke"})
    assert stamps.inputs(experiment, {"profile": "smoke", "compute": True}) == known  # decides no number
    path = Store().path(experiment.runs[0])
    paths.write_atomically(path, b"{}")
    with_one = stamps.inputs(experiment, {"profile": "smoke"})
    assert with_one != known
    path.unlink()
    assert stamps.inputs(experiment, {"profile": "smoke"}) == known


def test_runs_that_cannot_be_written_to_are_drawn_all_the_same(drawn, monkeypatch, capsys):
    stamps._say_unwritable.cache_clear()
    paths.runs_dir().mkdir()
    (paths.runs_dir() / "drawn").touch()  # where a folder would be made
    for name in (NAME, "hard-samples/table-2"):
        assert cli.main(["figures", "--profile", "smoke", "--figure", name]) == 0
    assert drawn == [NAME] * 2
    assert capsys.readouterr().err == (
        f"hardsample: {paths.runs_dir()} cannot be written: figures are drawn, and the next call draws again.\n"
    )


def test_a_failure_leaves_no_stamp(drawn, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("notebook failed")

    monkeypatch.setattr(drawing, "_draw", fail)
    assert once().failed == 1 and capsys.readouterr().err == "hardsample: notebook failed\n"
    assert once().failed == 1


def test_final_accuracies_are_fractions_beside_chance():
    curves = hard_curves()
    table = summary.table([curves])
    assert list(table.columns) == list(summary.COLUMNS)
    assert len(table) == len(curves.frame.groupby(["panel", "method"]))
    own = curves.frame[curves.frame.method == table.method[0]].sort_values("step")
    ends = own[own.panel == table.setting[0]].drop_duplicates("seed", keep="last")
    assert math.isclose(table["mean"][0], ends["acc/val"].mean()) and table.n[0] == len(ends)
    assert set(table.metric) == {"acc/val"} and table["mean"].between(0, 1).all()
    assert summary.save([curves]).name == "quick-summary.csv"


def test_everything_shipped_has_its_runs_and_its_committed_files(tmp_path):
    root = paths.project_root()
    store, files = store_of_committed(root, tmp_path), {*tracked(root, "figures")}
    for experiment, choices in shipped([name for name, _ in SHIPPED]):
        place = f"figures/{experiment.name.split('/')[0]}/{experiment.folder}/{experiment.name.split('/')[1]}.csv"
        assert place in files or not files, choices
        assert store.done(experiment.runs), experiment.name


def test_the_default_call_alone_begins_with_what_is_shipped(drawn, monkeypatch, capsys):
    told = []
    monkeypatch.setattr(reproduce, "_draw_shipped", lambda *_: told.append("shipped"))
    monkeypatch.setattr(chosen, "launch_all", lambda *_: LaunchReport(0, 0, (), 0, 0.0))
    for more, shown in (((), True), (("--profile", "smoke"), False), (("--data", "stand-in"), False)):
        told.clear()
        assert cli.main(["reproduce", "--figure", "table-2", *more]) == 0
        assert bool(told) is shown
        assert (paths.figures_dir() / "quick-summary.csv").exists()
        assert "hard-samples/table-2: " in capsys.readouterr().out


@pytest.mark.parametrize("name", registry.names())
def test_quick_can_show_what_it_asks(name):
    """Ten seeds, and no family of tests that cannot be significant with them: p is at least 2 / 2 ** 10."""
    experiment = registry.grid(name)
    seeds = {run.seed for run in experiment.runs}
    if name == spread.NAME:  # of single checkpoints, without a test
        assert seeds == {1}
        return
    assert seeds in (set(), set(range(1, 11)))
    methods = [len(methods) - 1 for methods in experiment.layout.values()]
    metrics = 1 if name.startswith("rivals") or "table" in name else len(tables.READABLE)
    assert 2 / 2**10 * metrics * sum(methods) < 0.05
    assert all(experiment.layout.values())  # no cell that nothing is run of


def test_an_empty_table_of_accuracies_has_its_columns():
    assert list(pd.DataFrame(summary.table([])).columns) == list(summary.COLUMNS)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        (("--figure", "table-3"), {"hard-samples/table-3"}),
        (("--figure", "base-values", "--data", "ocr-letters"), {"base-values/figure-1", "base-values/draws"}),
    ],
)
def test_what_is_shipped_is_drawn_by_one_command_at_its_own_size(typed, names, monkeypatch, tmp_path, capsys):
    root, shown = paths.project_root(), []
    store = store_of_committed(root, tmp_path)
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(store.root))
    monkeypatch.setattr(drawing.Drawing, "draw", lambda self, begun: shown.extend(begun))
    cli.main(["figures", "--shipped", *typed])
    assert {experiment.name for experiment, _ in shown} == names
    assert all(choices["compute"] is False and choices["profile"] != "quick" for _, choices in shown)
    assert "nothing computed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("--profile", "hour"), "leave out --profile, or --shipped"),
        (("--learning-rate", "0.1"), "leave out --learning-rate, or --shipped"),
        (("--data", "mnist"), "no runs of any figure on mnist come with the package.*sd19-letters"),
    ],
)
def test_what_is_shipped_has_its_own_size(typed, told, capsys):
    assert cli.main(["figures", "--shipped", *typed]) == 2
    assert re.search(told, capsys.readouterr().err)
