"""What is committed as found can be traced: the figures and README's table follow from the committed runs."""

import re
from pathlib import Path

import pytest

from hardsample import experiments, figures, paths, tables
from hardsample.runs import Store

ROOT = paths.project_root()
FOLDER = ROOT / "figures" / "base-values" / "ocr-letters"
REAL = {"profile": "paper", "data": "ocr-letters", "examples": 12_000, "precision": "bf16"}  # as README's command says


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(ROOT / "runs")


def test_every_committed_run_is_whole_and_its_own(store):
    assert store.verify() == []
    assert len(store.records()) >= 48


def test_committed_runs_were_made_from_committed_code(store):
    for record in store.records():
        commit = record.provenance["commit"]
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef"), record.run.label


@pytest.mark.parametrize("name", ["figure-1", "draws"])
def test_committed_figures_follow_from_the_committed_runs(name, store, tmp_path):
    experiment = experiments.grid(f"base-values/{name}", **REAL)
    curves = store.curves(experiment)
    assert curves.attrs["missing"] == 0
    points = figures.trajectory_data(curves) if name == "figure-1" else figures.draws_data(curves)
    draw = figures.trajectories if name == "figure-1" else figures.draws
    written = [*figures.save(draw(curves), points, tmp_path / name)]
    written += tables.save(tables.final_metrics(curves), tmp_path / name)
    for path in written:
        committed = FOLDER / path.name
        assert committed.is_file(), committed.name
        if path.suffix in (".csv", ".md"):
            assert path.read_bytes() == committed.read_bytes(), path.name


def test_readme_quotes_the_table_of_statistics():
    readme = (ROOT / "README.md").read_text()
    table = (FOLDER / "draws-statistics.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) >= 6
    assert "\n".join(rows) in readme


def test_every_file_that_readme_points_to_exists():
    readme = (ROOT / "README.md").read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", readme) + re.findall(r"`(notebooks/[^`]+\.ipynb)`", readme)
    assert len(linked) > 6
    assert [path for path in linked if not Path(ROOT, path).exists()] == []
